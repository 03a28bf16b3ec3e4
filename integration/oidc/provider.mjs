// An OpenID provider for the tests: oidc-provider, which is certified, with one client, short tokens, and a login that
// takes any name without a password.
//
//   node provider.mjs DIRECTORY PORT CALLBACK AFTER_LOGOUT
//
// DIRECTORY has oidc-provider below node_modules. Beside the protocol it answers /says: how often each grant was asked
// for.
import { createRequire } from 'node:module';
import { createServer } from 'node:http';
import { pathToFileURL } from 'node:url';

const [directory, port, callback, afterLogout] = process.argv.slice(2);
const require = createRequire(`${directory}/package.json`);
const { Provider } = await import(pathToFileURL(require.resolve('oidc-provider')));

const issuer = `http://127.0.0.1:${port}`;
const said = {};
const provider = new Provider(issuer, {
  clients: [{
    client_id: 'shop',
    client_secret: 'a secret: of the/client',
    redirect_uris: [callback],
    post_logout_redirect_uris: [afterLogout],
    backchannel_logout_uri: new URL('/oauth2/backchannel-logout', callback).href,
    backchannel_logout_session_required: true,
    grant_types: ['authorization_code', 'refresh_token'],
  }],
  cookies: { keys: ['a key for the cookies of the provider'] },
  claims: { openid: ['sub'], email: ['email'], profile: ['name', 'groups'] },
  // ID tokens hold nothing but the user: the rest has to be asked for.
  conformIdTokenClaims: true,
  features: { backchannelLogout: { enabled: true }, devInteractions: { enabled: true } },
  pkce: { required: () => true, methods: ['S256'] },
  issueRefreshToken: async () => true,
  rotateRefreshToken: true,
  ttl: { AccessToken: 60, IdToken: 60, RefreshToken: 600, Session: 600, Grant: 600, Interaction: 600 },
  findAccount: async (_, id) => ({
    accountId: id,
    claims: async () => ({
      sub: id,
      email: `${id}@example.com`,
      name: `The ${id}`,
      groups: id === 'admin' ? ['staff', 'admins'] : ['staff'],
    }),
  }),
});
for (const event of ['grant.success', 'grant.error', 'grant.revoked', 'end_session.success', 'backchannel.success', 'backchannel.error']) {
  provider.on(event, (ctx) => {
    const kind = ctx.oidc?.params?.grant_type ?? '';
    const key = `${event} ${kind}`.trim();
    said[key] = (said[key] ?? 0) + 1;
  });
}
const answer = provider.callback();
createServer((request, response) => {
  if (request.url !== '/says') return answer(request, response);
  response.setHeader('content-type', 'application/json');
  response.end(JSON.stringify(said));
}).listen(Number(port), '127.0.0.1');
