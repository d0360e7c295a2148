import { expect } from 'chai';
import fc from 'fast-check';
import { identityFromMeta, identityToMeta, phases, type Identity } from '../../../src/core/store/identity.js';
import { anyOrigin, anyVersion } from '../../support/arbitrary.js';
import { codeOf } from '../../support/open-log.js';

const anyIdentity: fc.Arbitrary<Identity> = fc.record({
  storeId: anyOrigin,
  origin: anyOrigin,
  former: fc.array(anyOrigin),
  lineage: anyOrigin,
  clusterId: fc.option(anyOrigin),
  epoch: fc.constantFrom('00000000', 'deadbeef'),
  phase: fc.constantFrom(...phases),
  floor: fc.oneof(fc.constant(0), anyVersion),
});

const metaOf = (identity: Identity) => new Map(identityToMeta(identity).flatMap(([name, text]) => (text === null ? [] : [[name, text]])));

describe('the identity of a store as meta values', () => {
  it('comes back as it was', () => {
    fc.assert(
      fc.property(anyIdentity, (identity) => {
        expect(identityFromMeta(metaOf(identity))).to.deep.equal(identity);
      }),
    );
  });

  it('is none in a new store', () => {
    expect(identityFromMeta(new Map())).to.equal(null);
    expect(identityFromMeta(new Map([['restored', '1']]))).to.equal(null);
  });

  for (const [name, text] of [
    ['origin', 'x'],
    ['phase', 'asleep'],
    ['former', '{'],
    ['former', '["x"]'],
    ['former', '5'],
    ['lineage', 'x'],
    ['floor', 'x'],
    ['floor', '-1'],
  ]) {
    it(`is refused if ${name} is ${text}`, async () => {
      const meta = metaOf({
        storeId: 'a'.repeat(16),
        origin: 'b'.repeat(16),
        former: [],
        lineage: 'c'.repeat(16),
        clusterId: null,
        epoch: '00000001',
        phase: 'ready',
        floor: 0,
      });
      expect(await codeOf(() => identityFromMeta(meta.set(name, text)))).to.equal('STORE_FAILED');
    });
  }

  it('is of the first lineage if the store was made before there were any', () => {
    const identity = { storeId: 'a'.repeat(16), origin: 'b'.repeat(16), former: [], lineage: 'c'.repeat(16), clusterId: null, epoch: '00000001' };
    const meta = metaOf({ ...identity, phase: 'ready', floor: 0 });
    meta.delete('lineage');
    expect(identityFromMeta(meta)?.lineage).to.equal('0'.repeat(16));
  });

  it('is refused if a part is missing', async () => {
    for (const name of ['origin', 'phase']) {
      const meta = metaOf({
        storeId: 'a'.repeat(16),
        origin: 'b'.repeat(16),
        former: [],
        lineage: 'c'.repeat(16),
        clusterId: null,
        epoch: '00000001',
        phase: 'ready',
        floor: 0,
      });
      meta.delete(name);
      expect(await codeOf(() => identityFromMeta(meta)), name).to.equal('STORE_FAILED');
    }
  });
});
