import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

const entrance = 'test/simulation/worker.ts';
const root = fileURLToPath(new URL('../..', import.meta.url));

/** A text to put in the place of another one, which stands in its file exactly once. */
export interface Patch {
  readonly file: string;
  readonly find: string;
  readonly replace: string;
}

/**
 * Core and simulation as plain JavaScript in a temporary folder. tsx gives every function its name back each time it is made, which
 * takes a fourth of the time of a history; here types are stripped once and nothing is added.
 */
export class Compiled {
  private constructor(readonly folder: string) {}

  get worker(): string {
    return join(this.folder, entrance.replace(/\.ts$/, '.js'));
  }

  static async make(): Promise<Compiled> {
    const compiled = await Compiled.#inNewFolder();
    // Only what the worker imports: compiling takes longest of all.
    const files = new Set([entrance]);
    for (const file of files) {
      const text = await readFile(join(root, file), 'utf8');
      const code = await compiled.#write(file, text);
      for (const [, imported] of code.matchAll(/ from '(\.[^']+)\.js'/g)) files.add(join(dirname(file), `${imported}.ts`));
    }
    return compiled;
  }

  /** The same with some texts replaced, in a folder of its own. @throws Error if one does not stand in its file exactly once */
  async patched(patches: readonly Patch[]): Promise<Compiled> {
    const copy = await Compiled.#inNewFolder();
    for (const part of ['src', 'test']) await cp(join(this.folder, part), join(copy.folder, part), { recursive: true });
    const texts = new Map<string, string>();
    for (const { file, find, replace } of patches) {
      const pieces = (texts.get(file) ?? (await readFile(join(root, file), 'utf8'))).split(find);
      if (pieces.length !== 2) throw new Error(`found ${pieces.length - 1} times in ${file}, must stand there once: ${find}`);
      texts.set(file, pieces.join(replace));
    }
    for (const [file, text] of texts) await copy.#write(file, text);
    return copy;
  }

  remove(): Promise<void> {
    return rm(this.folder, { recursive: true });
  }

  static async #inNewFolder(): Promise<Compiled> {
    const compiled = new Compiled(await mkdtemp(join(tmpdir(), 'kelp-sim-')));
    await writeFile(join(compiled.folder, 'package.json'), '{"type":"module"}');
    await symlink(join(root, 'node_modules'), join(compiled.folder, 'node_modules'));
    return compiled;
  }

  async #write(file: string, text: string): Promise<string> {
    const target = join(this.folder, file.replace(/\.ts$/, '.js'));
    const compilerOptions = { target: ts.ScriptTarget.ES2023, module: ts.ModuleKind.ESNext, verbatimModuleSyntax: true, inlineSourceMap: true };
    const code = ts.transpileModule(text, { fileName: join(root, file), compilerOptions }).outputText;
    await mkdir(dirname(target), { recursive: true });
    await writeFile(target, code);
    return code;
  }
}
