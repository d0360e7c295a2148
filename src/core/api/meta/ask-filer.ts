import { HttpClient } from '../../http/client.js';
import type { Signer } from '../../security/signer.js';
import { MetaClient } from './client.js';

/** Asks one filer, over connections that are closed when `ask` has ended. */
export async function askFiler<T>(address: string, signer: Signer | undefined, ask: (client: MetaClient) => Promise<T>): Promise<T> {
  const http = new HttpClient({ connections: 1, signer });
  try {
    return await ask(new MetaClient(http, address));
  } finally {
    await http.close();
  }
}

// What goes with it at a command line.
export type { ConflictReport } from './reports.js';
export type { QuarantinedReport, QuarantineOutcome } from './quarantine-report.js';
