import { Busboy } from '@fastify/busboy';
import { limits } from '../../config/limits.js';
import { FilerError, messageOf } from '../../errors.js';

/** A file of a multipart form. */
export interface FormFile {
  /** Without directories; '' if the form names none. */
  readonly name: string;
  readonly mime: string;
  readonly content: Buffer;
}

/**
 * The first file of a multipart form; whatever else is in it is ignored. The form is whole, so its parts can be bounded before any is kept.
 * @throws FilerError BODY_INVALID if it is no form, is cut or has no file; BODY_TOO_LARGE
 */
export async function readFormFile(form: Buffer, contentType: string | undefined, contentBytesMax: number): Promise<FormFile> {
  if (!/^multipart\/form-data\b/i.test(contentType ?? '')) {
    throw new FilerError('BODY_INVALID', 'POST takes a multipart form (curl -F file=@name); send the bytes of a file with PUT');
  }
  return new Promise<FormFile>((resolve, reject) => {
    const invalid = (error: unknown) =>
      reject(new FilerError('BODY_INVALID', `the form cannot be read (${messageOf(error).slice(0, 100)})`, {}, { cause: error }));
    let file: FormFile | null = null;
    try {
      const { formParts: parts, formFieldBytes: fieldSize, formHeaderBytes: headerSize, formHeaders: headerPairs } = limits;
      const reader = new Busboy({
        headers: { 'content-type': contentType as string },
        limits: { files: 1, fileSize: contentBytesMax, parts, fieldSize, headerSize, headerPairs },
      });
      reader.on('file', (_field, stream, name: string | undefined, _encoding, mime) => {
        const chunks: Buffer[] = [];
        stream.on('data', (chunk: Buffer) => chunks.push(chunk));
        stream.on('limit', () => reject(new FilerError('BODY_TOO_LARGE', `the file may have at most ${contentBytesMax} bytes`, { limit: contentBytesMax })));
        stream.on('error', invalid);
        stream.on('end', () => {
          file = { name: name ?? '', mime, content: Buffer.concat(chunks) };
        });
      });
      reader.on('error', invalid);
      reader.on('finish', () => {
        if (file) resolve(file);
        else reject(new FilerError('BODY_INVALID', 'the form holds no file; send one part with a filename (curl -F file=@name)'));
      });
      reader.end(form);
    } catch (error) {
      invalid(error);
    }
  });
}
