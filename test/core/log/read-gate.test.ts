import { expect } from 'chai';
import { ReadGate } from '../../../src/core/log/read-gate.js';
import { codeOf } from '../../support/open-log.js';

describe('ReadGate', () => {
  /** A read that notes when it begins, and ends when it is told to. */
  const open = (readsMax: number, readsWaitingMax = 100) => {
    const gate = new ReadGate({ readsMax, readsWaitingMax });
    const begun: string[] = [];
    const finish = new Map<string, () => void>();
    const read = (name: string, forPeer = false) =>
      gate.run(forPeer, 1, async () => {
        begun.push(name);
        await new Promise<void>((resolve) => finish.set(name, resolve));
        return name;
      });
    const end = async (name: string, work: Promise<unknown>) => {
      finish.get(name)?.();
      await work;
    };
    return { gate, begun, read, end };
  };

  it('runs so many at one time, and the next when one has ended, peers first', async () => {
    const { begun, read, end } = open(2);
    const [a, b] = [read('a'), read('b')];
    const [c, d, peer] = [read('c'), read('d'), read('peer', true)];
    expect(begun).to.deep.equal(['a', 'b']);
    await end('a', a);
    await end('b', b);
    expect(begun).to.deep.equal(['a', 'b', 'peer', 'c']);
    await end('peer', peer);
    await end('c', c);
    await end('d', d);
    const e = read('e');
    expect(begun.slice(4), 'nobody keeps a place').to.deep.equal(['d', 'e']);
    await end('e', e);
  });

  it('gives a place back when a read fails', async () => {
    const { gate } = open(1);
    const fail = () => gate.run(false, 1, () => Promise.reject(new Error('no')));
    expect(await Promise.allSettled([fail(), fail()]).then((all) => all.map(({ status }) => status))).to.deep.equal(['rejected', 'rejected']);
    expect(await gate.run(false, 1, async () => 'read')).to.equal('read');
  });

  it('reads nothing for a client that could not be answered', async () => {
    const { gate } = open(1);
    const asked: number[] = [];
    gate.hasRoom = (bytes) => {
      asked.push(bytes);
      return bytes < 10;
    };
    let read = 0;
    const one = (forPeer: boolean, bytes: number) => gate.run(forPeer, bytes, async () => (read += 1));
    expect(await codeOf(() => one(false, 10))).to.equal('OVERLOADED');
    expect([await one(false, 9), await one(true, 10), asked]).to.deep.equal([1, 2, [10, 9]]);
  });

  it('lets only so many clients wait, and every peer', async () => {
    const { read, begun, gate } = open(1, 1);
    void read('a');
    void read('b');
    void read('peer', true);
    expect(await codeOf(() => gate.run(false, 1, async () => {}))).to.equal('OVERLOADED');
    expect(begun).to.deep.equal(['a']);
  });
});
