import { expect } from 'chai';
import fc from 'fast-check';
import { isRefused, pathsOf, type RefusedChange } from '../../../src/core/change/change.js';
import { decodeChange, encodeChange, withApplied } from '../../../src/core/change/codec.js';
import { chainHash, chainStart } from '../../../src/core/change/digest.js';
import { receiveChange } from '../../../src/core/change/refused.js';
import { anyChange, origins } from '../../support/arbitrary.js';
import { ForgedLog, type Forgery } from '../../support/forged-log.js';
import { failureOf } from '../../support/open-log.js';

const [origin] = origins;
const forged = (forgery: Forgery): string => new ForgedLog(origin).put('/d/f', forgery);

const refused = (text: string): RefusedChange => {
  const change = receiveChange(text);
  if (!isRefused(change)) throw new Error('it was not refused');
  return change;
};

describe('a change that a peer has sent', () => {
  it('is what decoding gives, if it is good', () => {
    fc.assert(
      fc.property(anyChange, (change) => {
        const text = encodeChange(change, { oldEntry: null, deleteChunks: false, signatures: [] });
        expect(receiveChange(withApplied(text, 'quarantined'))).to.deep.equal(decodeChange(text));
      }),
      { numRuns: 200 },
    );
  });

  it('is refused with its place in the log, and with all of it that can be read', () => {
    const text = forged({ entry: { attributes: 'none' } });
    const change = refused(withApplied(text, 'lost'));
    expect(change).to.deep.include({ origin, seq: 1, version: 1_763_763_267_000_001, paths: ['/d/f'], text });
    expect(change.refusal).to.deep.equal({ code: 'BODY_INVALID', error: 'change.newEntry.attributes: must be an object' });
    expect(pathsOf(change)).to.deep.equal(['/d/f']);
    expect(chainHash(chainStart, change.link ?? expect.fail('the hash cannot be made'))).to.equal(change.hash);
  });

  it('keeps its chain provable wherever the fields of the hash are whole', () => {
    for (const edit of [
      (change: Record<string, Record<string, unknown>>) => (change.replication.vector = {}),
      (change: Record<string, Record<string, unknown>>) => (change.replication.clusters = 'none'),
    ]) {
      const change = refused(forged({ edit }));
      expect(change.link && chainHash(chainStart, change.link)).to.equal(change.hash);
    }
  });

  it('claims its hash where those fields cannot be read', () => {
    const edits: Record<string, Forgery['edit']> = {
      'no entry at all': (change) => delete change.eventNotification.newEntry,
      'an entry that is a text': (change) => (change.eventNotification.newEntry = 'f'),
      'a name that is no name': (change) => (change.eventNotification.newEntry.name = '..'),
      'a number for a name': (change) => (change.eventNotification.newEntry.name = 7),
      'a path in another spelling': (change) => (change.directory = change.eventNotification.newParentPath = '/d//'),
      'no version': (change) => delete change.replication.version,
      'a version beyond the last': (change) => (change.replication.version = 2 ** 53 - 1),
      'no author': (change) => (change.replication.author = 'me'),
      'a run that is none': (change) => (change.replication.run = 'yes'),
      'an event that is none': (change) => (change.eventNotification = []),
      'an old entry that is a text': (change) => (change.eventNotification.oldEntry = 'f'),
    };
    for (const [what, edit] of Object.entries(edits)) expect(refused(forged({ edit })).link, what).to.equal(null);
    let deep: unknown = {};
    for (let i = 0; i < 200; i++) deep = [deep];
    expect(refused(forged({ edit: (change) => (change.eventNotification.newEntry.note = deep) })).link).to.equal(null);
  });

  it('keeps the name of the run it begins, which its hash covers', () => {
    const run = 'f'.repeat(16);
    const log = new ForgedLog(origin);
    const [first, second] = [log.putBad('/a'), log.putBad('/b')].map(refused) as [RefusedChange, RefusedChange];
    expect([first.run, first.link?.run, second.run, second.link?.run]).to.deep.equal([run, run, '', '']);
    expect(second.link && chainHash(first.hash, second.link)).to.equal(second.hash);
    expect(refused(forged({ edit: (change) => delete change.eventNotification.newEntry })).run, 'whatever else cannot be read').to.equal(run);
  });

  it('names the paths that can be read, in their normal form', () => {
    const paths = (edit: Forgery['edit']) => refused(forged({ edit })).paths;
    expect(paths((change) => (change.directory = change.eventNotification.newParentPath = '/d//e/'))).to.deep.equal(['/d/e/f']);
    expect(paths((change) => Object.assign(change.eventNotification, { oldEntry: { name: 'old' }, newEntry: { name: '.' } }))).to.deep.equal(['/d/old']);
    expect(paths((change) => (change.eventNotification.newEntry.name = 'a/b'))).to.deep.equal([]);
    expect(paths((change) => (change.replication.version = 'now'))).to.deep.equal(['/d/f']);
  });

  it('has version 0 if it names none that is valid', () => {
    expect(refused(forged({ edit: (change) => (change.replication.version = -1) })).version).to.equal(0);
  });

  it('cannot be read at all without its envelope', async () => {
    const edits: Record<string, Forgery['edit']> = {
      origin: (change) => (change.replication.origin = 'x'),
      seq: (change) => (change.replication.seq = 0),
      hash: (change) => delete change.replication.hash,
      replication: (change) => delete change.replication,
      last: (change) => (change.more = {}),
    };
    for (const [field, edit] of Object.entries(edits)) {
      expect((await failureOf(() => receiveChange(forged({ edit }), 'changes[3]'))).message, field).to.match(/^changes\[3\]/);
    }
    for (const text of ['', '{', '[]', 'null', `${forged({})} `, forged({ entry: { attributes: 'none' } }).replace(',', ',\n')])
      expect((await failureOf(() => receiveChange(text))).code).to.equal('BODY_INVALID');
  });
});
