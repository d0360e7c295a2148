import { startSpinner, type Spinner } from './spinner.js';
import { isLive } from './terminal.js';

/** Tells of work that goes in steps: `begun` says so; on a terminal it also shows how many are done, until `stop`. */
export interface StepProgress {
  readonly begun: () => void;
  readonly done: (steps: number) => void;
  readonly stop: () => void;
}

/** @param doing what is shown before the number of steps, as `deleting /a` */
export function stepProgress(doing: string, begun: () => void, options: { coloured?: boolean } = {}): StepProgress {
  let spinner: Spinner | null = null;
  let isOver = false;
  const start = async (): Promise<void> => {
    const started = await startSpinner(doing, options);
    if (isOver) started.stop();
    else spinner = started;
  };
  return {
    begun: () => {
      begun();
      if (isLive(process.stderr)) void start();
    },
    done: (steps) => spinner?.update(`${doing}: ${steps} steps`),
    stop: () => {
      isOver = true;
      spinner?.stop();
    },
  };
}
