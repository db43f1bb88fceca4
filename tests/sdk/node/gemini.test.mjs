// The official, unmodified Google client for JavaScript against the real relay, under both path prefixes.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { ApiError, GoogleGenAI } from '@google/genai';
import { startRelay } from './relay.mjs';

const GAMMA = 'sdk-test-secret-of-gamma';
const GAMMA_THROTTLED = 'sdk-test-secret-of-gamma-throttled-too';
const GAMMA_POOR = 'sdk-test-secret-of-gamma-poor';
const BETA = 'sdk-test-secret-of-beta';
const ask = { model: 'gemini-2.5-flash', contents: 'Say hello to the tenants.' };
const tools = [
  {
    functionDeclarations: [
      {
        name: 'look_up',
        description: 'Looks something up.',
        parameters: { type: 'OBJECT', properties: { echo: { type: 'STRING' } } },
      },
    ],
  },
];

let relay;
before(async () => {
  relay = await startRelay();
});
after(() => relay?.stop());

const client = (apiKey, apiVersion = 'v1beta') =>
  new GoogleGenAI({ apiKey, httpOptions: { baseUrl: relay.baseURL.replace(/\/v1$/, ''), apiVersion } });

async function refused(status, word, code, call) {
  const error = await call().then(
    () => assert.fail('the call succeeded'),
    (error) => error,
  );
  assert.ok(error instanceof ApiError, `${error.constructor.name}: ${error.message}`);
  const body = JSON.parse(error.message).error;
  assert.deepEqual([error.status, body.status, body.details[0].reason], [status, word, code]);
}

test('content under both prefixes', async () => {
  for (const version of ['v1', 'v1beta']) {
    const answer = await client(GAMMA, version).models.generateContent(ask);
    assert.ok(answer.text);
    assert.equal(answer.candidates[0].finishReason, 'STOP');
  }
});

test('a stream is the same content', async () => {
  const whole = await client(GAMMA).models.generateContent(ask);
  let text = '';
  for await (const piece of await client(GAMMA).models.generateContentStream(ask)) text += piece.text ?? '';
  assert.equal(text, whole.text);
});

test('tools, counting, vectors and models pass through', async () => {
  const call = (await client(GAMMA).models.generateContent({ ...ask, config: { tools } })).functionCalls[0];
  assert.deepEqual([call.name, call.args], ['look_up', { echo: ask.contents }]);
  assert.ok((await client(GAMMA).models.countTokens(ask)).totalTokens > 0);
  const embedded = await client(GAMMA).models.embedContent({ model: 'gemini-embedding-001', contents: ['one', 'two'] });
  assert.equal(embedded.embeddings.length, 2);
  const names = [];
  for await (const model of await client(GAMMA).models.list()) names.push(model.name);
  assert.ok(names.includes('models/gemini-2.5-flash'));
});

test('refusals are typed errors in the words of Google', async () => {
  const create = (key, more = {}) => () => client(key).models.generateContent({ ...ask, ...more });
  await refused(400, 'INVALID_ARGUMENT', 'invalid_request', create(GAMMA, { config: { maxOutputTokens: -1 } }));
  await refused(401, 'UNAUTHENTICATED', 'invalid_api_key', create('AIza-unknown'));
  await refused(402, 'RESOURCE_EXHAUSTED', 'budget_exhausted', create(GAMMA_POOR));
  await refused(403, 'PERMISSION_DENIED', 'model_not_allowed', create(BETA));
  await refused(404, 'NOT_FOUND', 'model_not_found', create(GAMMA, { model: 'gemini-unknown' }));
  await create(GAMMA_THROTTLED)();
  await refused(429, 'RESOURCE_EXHAUSTED', 'rate_limited', create(GAMMA_THROTTLED));
});

test('a broken stream is an error', async () => {
  const stream = await client(GAMMA).models.generateContentStream({ ...ask, model: 'gemini-that-breaks' });
  await assert.rejects(
    async () => {
      for await (const piece of stream) assert.ok(piece);
    },
    (error) => error instanceof ApiError && error.message.includes('upstream_error'),
  );
});
