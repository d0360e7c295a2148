import { execFileSync } from 'node:child_process';
import { waitFor } from '../../support/wait-for.js';
import { cpuSince, Program, type Cpu } from './program.js';

export interface Imported {
  readonly seconds: number;
  readonly peakBytes: number;
  readonly cpu: Cpu;
}

/** Runs one statement or dot command on a database and gives what it prints. */
export function sqlite(database: string, ...commands: readonly string[]): string {
  return execFileSync('sqlite3', ['-batch', database, ...commands], { encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 });
}

/**
 * The statements that make a table and its indexes, as a store has them, but for what a CSV file cannot say: a NULL comes as an empty text. So
 * they are not STRICT, and what is indexed where it is not NULL is indexed where it is a number.
 */
export function schemaOf(database: string, table: string): string {
  const sql = sqlite(database, `SELECT sql || ';' FROM sqlite_schema WHERE tbl_name = '${table}' AND sql IS NOT NULL ORDER BY type DESC`);
  return sql.replace(/\) STRICT(?:,( WITHOUT ROWID))?/g, ')$1').replaceAll('WHERE expires IS NOT NULL', "WHERE typeof(expires) = 'integer'");
}

/** Writes what a query gives to a CSV file. */
export function exportCsv(database: string, file: string, query: string): void {
  sqlite(database, '.mode csv', `.output ${file}`, query);
}

/**
 * What the sqlite3 shell takes to `.import` the files into new tables, all in one transaction that is on the disk at the end. Its
 * own start does not count.
 */
export async function importCsv(
  database: string,
  tables: readonly { readonly name: string; readonly schema: string; readonly csv: string }[],
): Promise<Imported> {
  const program = Program.start('sqlite3', 'sqlite3', ['-batch', database], { input: 'pipe' });
  const tell = async (commands: readonly string[], done: string) => {
    program.child.stdin?.write(`${commands.join('\n')}\n.print ${done}\n`);
    await waitFor(
      () => {
        program.mustRun();
        return program.output.includes(`${done}\n`);
      },
      { what: `sqlite3 to say ${done}`, timeoutMs: 600_000, everyMs: 2 },
    );
  };
  await tell(['PRAGMA journal_mode = WAL;', 'PRAGMA synchronous = FULL;', ...tables.map(({ schema }) => schema)], 'prepared');
  const before = program.cpu;
  const started = performance.now();
  await tell(['BEGIN;', ...tables.map(({ name, csv }) => `.import --csv ${csv} ${name}`), 'COMMIT;'], 'imported');
  const seconds = (performance.now() - started) / 1000;
  const result = { seconds, peakBytes: program.peakBytes, cpu: cpuSince(before, program.cpu) };
  program.child.stdin?.end();
  await program.ended();
  return result;
}
