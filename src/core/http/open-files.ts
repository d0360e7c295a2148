let found: number | undefined;

/** How many files and connections the system lets this process have open at one time; Infinity if it does not say. */
export function openFilesMax(): number {
  if (found === undefined) {
    // Node has raised the soft limit to the hard one when it started, and tells both only here.
    const { userLimits } = process.report.getReport() as { userLimits?: { open_files?: { soft?: unknown } } };
    const soft = userLimits?.open_files?.soft;
    found = typeof soft === 'number' ? soft : Infinity;
  }
  return found;
}
