import { expect } from 'chai';
import { type FilerError } from '../../../src/core/errors.js';
import { empty, Router, type Method, type Route } from '../../../src/core/http/router.js';

const route = (method: Method, path: string): Route => ({ method, path, role: 'open', summary: `${method} ${path}`, handler: async () => empty(200) });

function refusal(read: () => unknown): FilerError {
  try {
    read();
  } catch (error) {
    return error as FilerError;
  }
  throw new Error('it was accepted');
}

describe('Router', () => {
  const api = new Router([route('GET', '/status'), route('PUT', '/members/:origin'), route('DELETE', '/members/:origin'), route('GET', '/members')]);
  const filer = new Router([route('GET', '/healthz'), route('GET', '/.filer/v1/store'), route('GET', '*'), route('PUT', '*')]);

  it('finds exact paths, and HEAD as GET', () => {
    expect(api.match('GET', '/status').route.summary).to.equal('GET /status');
    expect(api.match('HEAD', '/status').route.summary).to.equal('GET /status');
  });

  it('hands over the last part of a path, decoded', () => {
    expect(api.match('PUT', '/members/a%20b')).to.deep.include({ parameter: 'a b' });
    expect(refusal(() => api.match('PUT', '/members/%ff')).code).to.equal('PARAMETER_INVALID');
  });

  it('prefers the exact path to the rest, and sends the rest to *', () => {
    expect(filer.match('GET', '/healthz').route.path).to.equal('/healthz');
    for (const path of ['/', '/a/b', '//healthz', '/healthz/', '/.filer/v1/store/x']) expect(filer.match('GET', path).route.path, path).to.equal('*');
    expect(filer.match('PUT', '/healthz').route.path, 'a name the tree refuses').to.equal('*');
  });

  it('says 404 for unknown paths and 405 with the methods there are', () => {
    for (const path of ['/', '/nothing', '/members/', '/members/a/b', '/status/'])
      expect(refusal(() => api.match('GET', path)).code, path).to.equal('ENTRY_NOT_FOUND');
    expect(refusal(() => api.match('POST', '/members/x')).fields).to.deep.equal({ allow: 'PUT, DELETE' });
    expect(refusal(() => api.match('PUT', '/status')).fields).to.deep.equal({ allow: 'GET, HEAD' });
    expect(refusal(() => filer.match('OPTIONS', '/a')).code).to.equal('METHOD_NOT_ALLOWED');
  });

  it('does not build from two rows for one request or from a path it cannot read', () => {
    expect(() => new Router([route('GET', '/a'), route('GET', '/a')])).to.throw(TypeError);
    for (const path of ['a', '/a/:b/c', '/a*', '']) expect(() => new Router([route('GET', path)]), path).to.throw(TypeError);
  });

  it('takes no route without a role: it does not build', () => {
    // @ts-expect-error `role` is missing
    const routes: Route[] = [{ method: 'GET', path: '/open', summary: 'who may ask was not thought of', handler: async () => empty(200) }];
    expect(routes[0]).not.to.have.property('role');
  });
});
