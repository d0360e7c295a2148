import { expect } from 'chai';
import { emptyPosition } from '../../../src/core/clock/vector.js';
import { openFeed, type SourcePage } from '../../../src/core/replay/source.js';
import { realTime } from '../../../src/core/time.js';
import { failureOf, never } from '../../support/open-log.js';
import { Processes } from '../../support/processes.js';

describe('the feed of a filer as a source', () => {
  const processes = new Processes();
  after(() => processes.stopAll());

  it('says what to do instead where the log begins too late', async () => {
    const masters = [(await processes.master()).address];
    const first = await processes.filer({ masters });
    await processes.send(first, 'PUT', '/a', 'a');
    // It takes a snapshot, so its log begins after it.
    const second = await processes.filer({ masters });
    const pagesOf = async ({ address }: { readonly address: string }): Promise<SourcePage[]> => {
      const source = await openFeed({ address, position: emptyPosition, mark: null, time: realTime, away: () => {}, back: () => {} }, never);
      const pages: SourcePage[] = [];
      for await (const page of source.pages(never)) pages.push(page);
      return pages;
    };
    expect((await pagesOf(first)).flatMap(({ records }) => records.map(({ change }) => change?.newPath))).to.deep.equal(['/a']);
    const failure = await failureOf(() => pagesOf(second));
    expect(failure.code).to.equal('LOG_TRIMMED');
    expect(failure.message).to.contain('with another filer').and.contain(`kelp fs.meta.save --filer=${second.address}`);
  });
});
