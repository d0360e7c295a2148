import { expect } from 'chai';
import fc from 'fast-check';
import { outcomeFromJson, quarantineFromJson, quarantineToJson } from '../../../../src/core/api/meta/quarantine-report.js';
import { encodeChange } from '../../../../src/core/change/codec.js';
import { formatDot } from '../../../../src/core/clock/vector.js';
import type { QuarantineRecord } from '../../../../src/core/store/store.js';
import { anyChange, anyOrigin, anyPath, anyVersion } from '../../../support/arbitrary.js';
import { refusalOf } from '../../../support/refusal-of.js';

const anyDot = fc.record({ origin: anyOrigin, seq: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }) });

const anyRecord: fc.Arbitrary<QuarantineRecord> = fc.record({
  dot: anyDot,
  place: fc.nat(),
  version: fc.oneof(fc.constant(0), anyVersion),
  paths: fc.array(anyPath, { maxLength: 2 }),
  text: anyChange.map((change) => encodeChange(change, { oldEntry: null, deleteChunks: false, signatures: [] })),
  refusal: fc.option(fc.record({ code: fc.constant('BODY_INVALID'), error: fc.string({ unit: 'binary', maxLength: 300 }) })),
  since: anyVersion,
  waitsFor: fc.option(anyDot),
  attempts: fc.nat(),
});

const read = (text: string) => quarantineFromJson(JSON.parse(text));

describe('what is quarantined', () => {
  const origin = 'f'.repeat(16);
  const record: QuarantineRecord = {
    dot: { origin, seq: 1 },
    place: 1,
    version: 5,
    paths: [],
    text: '{"a":9007199254740993,"b":1.50,"c":"\\u00fc"}',
    refusal: null,
    waitsFor: { origin, seq: 2 },
    since: 6,
    attempts: 0,
  };

  it('is read as it was written, each with its change whole', () => {
    fc.assert(
      fc.property(fc.array(anyRecord, { maxLength: 3 }), (records) => {
        const expected = records.map(({ dot, version, paths, text, refusal, since, waitsFor, attempts }) => ({
          dot: formatDot(dot),
          ...dot,
          version,
          paths,
          code: refusal?.code ?? null,
          error: refusal?.error ?? null,
          since,
          attempts,
          waitsFor: waitsFor && formatDot(waitsFor),
          change: JSON.parse(text) as unknown,
        }));
        expect(read(quarantineToJson(records))).to.deep.equal(expected);
      }),
      { numRuns: 50 },
    );
    expect(quarantineToJson([])).to.equal('{"quarantine":[]}');
  });

  it('stands one change a line, to the byte as it is in the log', () => {
    const lines = quarantineToJson([record, { ...record, dot: { origin, seq: 3 } }]).split('\n');
    expect(lines).to.have.length(4);
    for (const line of lines.slice(1, 3)) expect(line).to.include(`"change":${record.text}}`);
  });

  it('names the field that is wrong, and the change it is of', () => {
    const [good] = (JSON.parse(quarantineToJson([record])) as { quarantine: [object] }).quarantine;
    const wrong: [change: object, field: string, rule?: string][] = [
      [{ dot: 7 }, 'dot'],
      [{ dot: undefined }, 'dot'],
      [{ origin: 'me' }, 'origin'],
      [{ seq: -1 }, 'seq'],
      [{ seq: 2 ** 53 }, 'seq'],
      [{ version: '5' }, 'version'],
      [{ paths: '/a' }, 'paths'],
      [{ paths: [null] }, 'paths'],
      [{ code: 7 }, 'code', 'must be a text'],
      [{ error: {} }, 'error', 'must be a text'],
      [{ since: null }, 'since'],
      [{ attempts: 0.5 }, 'attempts'],
      [{ waitsFor: 7 }, 'waitsFor', 'must be a text'],
    ];
    for (const [change, field, rule = 'must be '] of wrong) {
      const error = refusalOf(() => quarantineFromJson({ quarantine: [good, { ...good, ...change }] }));
      expect(error, JSON.stringify(change)).to.deep.include({ code: 'BODY_INVALID', fields: { field: `quarantine[1].${field}` } });
      expect(error.message).to.include(`quarantine[1].${field}: ${rule}`);
    }
    for (const body of [{}, { quarantine: {} }]) expect(refusalOf(() => quarantineFromJson(body)).message).to.equal('quarantine: must be a list');
    expect(refusalOf(() => quarantineFromJson([])).message).to.match(/^the body: /);
  });
});

describe('what an action on the quarantine has done', () => {
  const outcome = { applied: ['a:1'], refused: [], dropped: ['a:2', 'a:3'], left: 4 };

  it('is read, whatever a later filer adds', () => {
    expect(outcomeFromJson({ ...outcome, more: 1 })).to.deep.equal(outcome);
  });

  it('names the field that is wrong', () => {
    for (const [field, values] of Object.entries({
      applied: ['a:1', [1], undefined],
      refused: [{}, null],
      dropped: [[null]],
      left: [-1, '4', 2 ** 53, undefined],
    })) {
      for (const value of values) {
        const error = refusalOf(() => outcomeFromJson({ ...outcome, [field]: value }));
        expect([error.code, error.message.startsWith(`${field}: must be `)], `${field} ${JSON.stringify(value)}`).to.deep.equal(['BODY_INVALID', true]);
      }
    }
  });
});
