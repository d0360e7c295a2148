import type { ServerResponse } from 'node:http';
import { FilerError } from '../errors.js';
import type { ByteBudget, Holding } from './byte-budget.js';
import type { IncomingRequest } from './incoming.js';
import type { Response } from './router.js';

export interface AnswerLimits {
  readonly answersBytes: number;
  readonly answersBytesForPeers: number;
  readonly answerBytesFree: number;
  readonly stallMs: number;
}

export interface Sending {
  readonly request: IncomingRequest;
  readonly outgoing: ServerResponse;
  /** What all answers share that their readers have not taken. */
  readonly answers: ByteBudget;
  readonly limits: AnswerLimits;
  /** The connection is closed after it. */
  readonly last: boolean;
}

/**
 * Sends an answer. Resolves when all of it is handed over, which for a stream is as late as its reader wants.
 * @throws FilerError OVERLOADED if there is no memory left for it; what the stream throws
 */
export async function send(response: Response, sending: Sending): Promise<void> {
  const { request, outgoing, limits, last } = sending;
  const { status, headers = {}, body } = response;
  outgoing.statusCode = status;
  for (const name in headers) outgoing.setHeader(name, headers[name] as string);
  outgoing.setHeader('X-Content-Type-Options', 'nosniff');
  if (last || request.bodyHeldBack) outgoing.setHeader('Connection', 'close');

  if (!isStream(body)) {
    const pieces = body === undefined ? [] : typeof body === 'string' || Buffer.isBuffer(body) ? [body] : body;
    const bodiless = status === 204 || status === 304;
    const bytes = pieces.reduce((sum, piece) => sum + Buffer.byteLength(piece), 0);
    if (body !== undefined && !bodiless && !outgoing.hasHeader('Content-Length')) outgoing.setHeader('Content-Length', bytes);
    if (bytes > limits.answerBytesFree && request.method !== 'HEAD') hold(bytes, response, sending);
    if (bodiless) outgoing.end();
    else end(outgoing, pieces);
    // The next request on the connection, or its keep-alive, sets another time-out.
    if (!outgoing.writableFinished) outgoing.setTimeout(limits.stallMs);
    return;
  }
  if (request.method === 'HEAD') {
    await body[Symbol.asyncIterator]().return?.();
    outgoing.end();
    return;
  }
  outgoing.flushHeaders();
  for await (const chunk of body) {
    if (outgoing.destroyed) return;
    const held = hold(chunk.length, response, sending);
    if (!outgoing.write(chunk)) await drain(outgoing, limits.stallMs);
    held.close();
  }
  outgoing.end();
}

const isStream = (body: Response['body']): body is AsyncIterable<Buffer | string> => typeof body === 'object' && Symbol.asyncIterator in body;

function end(outgoing: ServerResponse, pieces: readonly (Buffer | string)[]): void {
  if (pieces.length < 2) {
    outgoing.end(pieces[0]);
    return;
  }
  // Together in one write to the socket.
  outgoing.cork();
  for (const piece of pieces) outgoing.write(piece);
  outgoing.end();
  outgoing.uncork();
}

/** Takes the memory of an answer until its request has ended. @throws FilerError OVERLOADED */
function hold(bytes: number, { forPeer = false }: Response, { request, answers, limits }: Sending): Holding {
  const upTo = forPeer ? limits.answersBytes : limits.answersBytes - limits.answersBytesForPeers;
  const held = answers.open(() => request.cutOff());
  // Pages to peers are what the filers are for: a slow one does not make room for clients.
  if (forPeer) held.keep();
  if (!held.take(bytes, upTo)) {
    held.close();
    throw new FilerError('OVERLOADED', `answers that their readers do not take fill ${upTo} bytes here; try again in a second, or ask for less`);
  }
  request.heldAnswer = held;
  return held;
}

/** Until the reader has taken what was written, or is gone; one that takes nothing for too long is cut off. */
async function drain(outgoing: ServerResponse, stallMs: number): Promise<void> {
  outgoing.setTimeout(stallMs);
  await new Promise<void>((resolve) => {
    const done = () => {
      outgoing.off('drain', done);
      outgoing.off('close', done);
      resolve();
    };
    outgoing.once('drain', done);
    outgoing.once('close', done);
    if (outgoing.destroyed) done();
  });
  outgoing.setTimeout(0);
}
