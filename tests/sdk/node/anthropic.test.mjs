// The official, unmodified Anthropic client for JavaScript against the real relay, with both of its credential styles.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import Anthropic from '@anthropic-ai/sdk';
import { startRelay } from './relay.mjs';

const GAMMA = 'sdk-test-secret-of-gamma';
const GAMMA_THROTTLED = 'sdk-test-secret-of-gamma-throttled';
const GAMMA_POOR = 'sdk-test-secret-of-gamma-poor';
const BETA = 'sdk-test-secret-of-beta';
const messages = [{ role: 'user', content: 'Say hello to the tenants.' }];
const ask = { model: 'claude-haiku-4-5', messages, max_tokens: 50 };
const tool = {
  name: 'look_up',
  description: 'Looks something up.',
  input_schema: { type: 'object', properties: { echo: { type: 'string' } } },
};

let relay;
before(async () => {
  relay = await startRelay();
});
after(() => relay?.stop());

const client = (apiKey, options = { apiKey }) =>
  new Anthropic({ baseURL: relay.baseURL.replace(/\/v1$/, ''), maxRetries: 0, timeout: 20_000, ...options });

async function refused(kind, status, word, code, call) {
  const error = await call().then(
    () => assert.fail('the call succeeded'),
    (error) => error,
  );
  assert.ok(error instanceof kind, `${error.constructor.name}: ${error.message}`);
  assert.deepEqual([error.status, error.error.error.type, error.error.error.code], [status, word, code]);
  assert.match(error.requestID, /^req_/);
  return error;
}

// What works.

test('a message with either credential', async () => {
  for (const options of [{ apiKey: GAMMA }, { apiKey: null, authToken: GAMMA }]) {
    const answer = await client(GAMMA, options).messages.create(ask);
    assert.equal(answer.content[0].type, 'text');
    assert.ok(answer.content[0].text);
  }
});

test('a stream is the same message', async () => {
  const whole = await client(GAMMA).messages.create(ask);
  const streamed = await client(GAMMA).messages.stream(ask).finalMessage();
  assert.equal(streamed.content[0].text, whole.content[0].text);
  assert.equal(streamed.usage.output_tokens, whole.usage.output_tokens);
});

test('tools pass through', async () => {
  const withTool = { ...ask, tools: [tool], tool_choice: { type: 'any' }, max_tokens: 100 };
  const plain = (await client(GAMMA).messages.create(withTool)).content[0];
  assert.deepEqual([plain.type, plain.name], ['tool_use', 'look_up']);
  const streamed = (await client(GAMMA).messages.stream(withTool).finalMessage()).content[0];
  assert.deepEqual(streamed.input, plain.input);
});

test('tokens are counted, models listed', async () => {
  const counted = await client(GAMMA).messages.countTokens({ model: ask.model, messages });
  assert.ok(counted.input_tokens > 0);
  const ids = [];
  for await (const model of client(GAMMA).models.list()) ids.push(model.id);
  assert.ok(ids.includes('claude-haiku-4-5'));
});

// What is refused, each as the client's own class.

test('refusals are the typed errors of the client', async () => {
  const create = (key, more = {}) => () => client(key).messages.create({ ...ask, ...more });
  const { BadRequestError, AuthenticationError, APIError, PermissionDeniedError, NotFoundError } = Anthropic;
  const bad = create(GAMMA, { max_tokens: -1 });
  await refused(BadRequestError, 400, 'invalid_request_error', 'invalid_request', bad);
  await refused(AuthenticationError, 401, 'authentication_error', 'invalid_api_key', create('sk-ant-unknown'));
  const poor = await refused(APIError, 402, 'billing_error', 'budget_exhausted', create(GAMMA_POOR));
  assert.equal(poor.error.error.limit_usd, '0.000001');
  await refused(PermissionDeniedError, 403, 'permission_error', 'model_not_allowed', create(BETA));
  const unknown = create(GAMMA, { model: 'claude-unknown' });
  await refused(NotFoundError, 404, 'not_found_error', 'model_not_found', unknown);
});

test("batches are a tenant's own", async () => {
  const [own, stranger] = [client(GAMMA).messages.batches, client(BETA).messages.batches];
  let batch = await own.create({ requests: [{ custom_id: 'a', params: ask }] });
  for (let look = 0; batch.processing_status !== 'ended' && look < 100; look += 1) {
    await new Promise((done) => setTimeout(done, 100));
    batch = await own.retrieve(batch.id);
  }
  const results = [];
  for await (const one of await own.results(batch.id)) results.push(one);
  assert.deepEqual(results.map((one) => [one.custom_id, one.result.type]), [['a', 'succeeded']]);
  const unknown = () => stranger.retrieve(batch.id);
  await refused(Anthropic.NotFoundError, 404, 'not_found_error', 'object_not_found', unknown);
});

test('429 is a RateLimitError', async () => {
  await client(GAMMA_THROTTLED).messages.create(ask);
  const again = () => client(GAMMA_THROTTLED).messages.create(ask);
  await refused(Anthropic.RateLimitError, 429, 'rate_limit_error', 'rate_limited', again);
});

test('a broken stream is an error', async () => {
  const stream = await client(GAMMA).messages.create({ ...ask, model: 'claude-that-breaks', stream: true });
  await assert.rejects(
    async () => {
      for await (const event of stream) assert.ok(event.type);
    },
    (error) => error instanceof Anthropic.APIError && error.message.includes('upstream_error'),
  );
});
