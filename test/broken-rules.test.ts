import { expect } from 'chai';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { brokenRules as rulesOfOneCluster } from './simulation/broken-rules.js';
import { brokenSyncRules } from './simulation/clusters/broken-rules.js';

const root = fileURLToPath(new URL('..', import.meta.url));

const brokenRules = [...rulesOfOneCluster, ...brokenSyncRules];

describe('the rules that npm run mutants breaks', () => {
  it('stand in the code once each, so that a rule that was moved or written anew is broken still', () => {
    const counts = brokenRules.flatMap(({ name, patches }) =>
      patches.map(({ file, find }) => `${name}: ${readFileSync(`${root}${file}`, 'utf8').split(find).length - 1}`),
    );
    expect(counts).to.deep.equal(brokenRules.flatMap(({ name, patches }) => patches.map(() => `${name}: 1`)));
    expect(new Set(brokenRules.map(({ name }) => name)).size).to.equal(brokenRules.length);
  });
});
