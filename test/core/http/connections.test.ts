import { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';
import { expect } from 'chai';
import { Connections } from '../../../src/core/http/connections.js';

class FakeSocket extends EventEmitter {
  destroyed = false;

  destroy(): void {
    this.destroyed = true;
    this.emit('close');
  }
}

const nothing = () => {};

describe('Connections', () => {
  let connections: Connections;
  const added = () => {
    const socket = new FakeSocket() as unknown as Socket;
    connections.add(socket);
    return socket;
  };
  const closed = (...sockets: Socket[]) => sockets.map((socket) => socket.destroyed);

  beforeEach(() => (connections = new Connections(3, 2)));

  it('closes the one idle for longest to let a new one in', () => {
    const [a, b, c] = [added(), added(), added()];
    connections.begin(a, nothing);
    connections.end(a, nothing);
    const d = added();
    expect(closed(a, b, c, d)).to.deep.equal([false, true, false, false]);
    expect(connections.count).to.equal(3);
  });

  it('closes none that is busy: who comes then is late, until somebody has gone', () => {
    const busy = [added(), added(), added()];
    for (const socket of busy) connections.begin(socket, nothing);
    const d = added();
    expect([closed(...busy, d), connections.isLate(d), connections.count]).to.deep.equal([[false, false, false, false], true, 4]);
    connections.end(busy[0] as Socket, nothing);
    expect(closed(...busy, d), 'the first that is idle makes room').to.deep.equal([true, false, false, false]);
    expect([connections.isLate(d), connections.count]).to.deep.equal([false, 3]);
  });

  it('has no more late ones than places kept for them', () => {
    for (const socket of [added(), added(), added()]) connections.begin(socket, nothing);
    const [d, e, f] = [added(), added(), added()];
    expect([closed(d, e, f), connections.count]).to.deep.equal([[true, false, false], 5]);
  });

  it('takes in none beyond those when all are busy', () => {
    for (let i = 0; i < 5; i++) connections.begin(added(), nothing);
    const f = added();
    expect([closed(f), connections.count]).to.deep.equal([[true], 5]);
  });

  it('counts the requests under way, and tells each when its connection goes', () => {
    const socket = added();
    const gone: number[] = [];
    const tells = (id: number) => () => void gone.push(id);
    const [first, second, third] = [tells(1), tells(2), tells(3)];
    expect([connections.begin(socket, first), connections.begin(socket, second), connections.begin(socket, third)]).to.deep.equal([1, 2, 3]);
    connections.end(socket, first);
    socket.destroy();
    expect([gone, connections.count]).to.deep.equal([[2, 3], 0]);
    connections.begin(socket, first);
    expect(gone, 'a request of a connection that has gone').to.deep.equal([2, 3, 1]);
  });
});
