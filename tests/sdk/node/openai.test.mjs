// The official, unmodified OpenAI client for JavaScript against the real relay: as two tenants, with its own typed errors.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import OpenAI, { toFile } from 'openai';
import { startRelay } from './relay.mjs';

const ALPHA = 'sdk-test-secret-of-alpha';
const ALPHA_SINGLE = 'sdk-test-secret-of-alpha-single';
const BETA = 'sdk-test-secret-of-beta';
const BETA_THROTTLED = 'sdk-test-secret-of-beta-throttled';
const BETA_POOR = 'sdk-test-secret-of-beta-poor';
const GAMMA = 'sdk-test-secret-of-gamma';
const messages = [{ role: 'user', content: 'Say hello to the tenants.' }];
const tool = {
  type: 'function',
  function: {
    name: 'look_up',
    description: 'Looks something up.',
    parameters: { type: 'object', properties: { echo: { type: 'string' } } },
  },
};

let relay;
before(async () => {
  relay = await startRelay();
});
after(() => relay?.stop());

const client = (apiKey, options = {}) =>
  new OpenAI({ baseURL: relay.baseURL, apiKey, maxRetries: 0, timeout: 20_000, ...options });

async function collect(stream) {
  const chunks = [];
  for await (const chunk of stream) chunks.push(chunk);
  return chunks;
}

async function refused(kind, status, code, call) {
  const error = await call().then(
    () => assert.fail('the call succeeded'),
    (error) => error,
  );
  assert.ok(error instanceof kind, `${error.constructor.name}: ${error.message}`);
  assert.deepEqual([error.status, error.code], [status, code]);
  assert.match(error.requestID, /^req_/);
  assert.ok(error.error.message.length > 10);
  return error;
}

// What works.

test('chat', async () => {
  const answer = await client(ALPHA).chat.completions.create({ model: 'gpt-4.1', messages, max_tokens: 50 });
  assert.equal(answer.choices[0].message.role, 'assistant');
  assert.ok(answer.choices[0].message.content);
  assert.equal(answer.usage.total_tokens, answer.usage.prompt_tokens + answer.usage.completion_tokens);
});

test('what is heard, with the file before the model and behind it', async () => {
  const audio = client(GAMMA).audio.transcriptions;
  const file = await toFile(Buffer.alloc(300_000), 'a.wav');
  for (const form of [{ file, model: 'whisper-1' }, { model: 'whisper-1', file }]) {
    const { data, response } = await audio.create(form).withResponse();
    assert.equal(data.text, 'Good fences make good neighbours.');
    assert.equal(response.headers.get('mandant-cost-usd'), '0.03');
  }
  const events = await collect(await audio.create({ file, model: 'gpt-4o-transcribe', stream: true }));
  assert.equal(events.at(-1).type, 'transcript.text.done');
});

test('images stream, and are edited', async () => {
  const events = await collect(await client(GAMMA).images.generate({ model: 'gpt-image-1', prompt: 'x', stream: true }));
  assert.deepEqual(events.map((event) => event.type), ['image_generation.completed']);
  const image = await toFile(Buffer.alloc(2_000), 'a.png', { type: 'image/png' });
  const edited = await client(GAMMA).images.edit({ image: [image, image], prompt: 'Greener.', model: 'gpt-image-1' });
  assert.equal(edited.data.length, 1);
});

test("files are a tenant's own", async () => {
  const [own, stranger] = [client(GAMMA), client(BETA)];
  const file = await own.files.create({ file: await toFile(Buffer.alloc(200_000), 'a.bin'), purpose: 'user_data' });
  assert.equal(file.bytes, 200_000);
  assert.equal((await (await own.files.content(file.id)).arrayBuffer()).byteLength, 200_000);
  assert.ok((await collect(own.files.list())).some((one) => one.id === file.id));
  assert.deepEqual(await collect(stranger.files.list()), []);
  await refused(OpenAI.NotFoundError, 404, 'object_not_found', () => stranger.files.retrieve(file.id));
  assert.equal((await own.files.delete(file.id)).deleted, true);
});

test("batches are a tenant's own", async () => {
  const [own, stranger] = [client(GAMMA), client(BETA)];
  const body = { model: 'gpt-4.1', messages, max_tokens: 9 };
  const line = JSON.stringify({ custom_id: 'a', method: 'POST', url: '/v1/chat/completions', body });
  const file = await own.files.create({ file: await toFile(Buffer.from(`${line}\n`), 'in.jsonl'), purpose: 'batch' });
  const made = await own.batches.create({
    input_file_id: file.id,
    endpoint: '/v1/chat/completions',
    completion_window: '24h',
  });
  let batch = made;
  for (let look = 0; batch.status !== 'completed' && look < 100; look += 1) {
    await new Promise((done) => setTimeout(done, 100));
    batch = await own.batches.retrieve(made.id);
  }
  assert.deepEqual([batch.status, batch.id, batch.input_file_id], ['completed', made.id, file.id]);
  const result = JSON.parse(await (await own.files.content(batch.output_file_id)).text());
  assert.equal(result.response.body.object, 'chat.completion');
  assert.ok((await collect(own.batches.list())).some((one) => one.id === made.id));
  assert.deepEqual(await collect(stranger.batches.list()), []);
  await refused(OpenAI.NotFoundError, 404, 'object_not_found', () => stranger.batches.retrieve(made.id));
});

test('two tenants have two services', async () => {
  await client(ALPHA).chat.completions.create({ model: 'gpt-4.1', messages, max_tokens: 5 });
  await client(BETA).chat.completions.create({ model: 'gpt-4.1-mini', messages, max_tokens: 5 });
  await refused(OpenAI.PermissionDeniedError, 403, 'model_not_allowed', () =>
    client(BETA).chat.completions.create({ model: 'gpt-4.1', messages }),
  );
});

test('a stream without usage has no extra chunk', async () => {
  const ask = { model: 'gpt-4.1', messages, max_tokens: 20 };
  const chunks = await collect(await client(ALPHA).chat.completions.create({ ...ask, stream: true }));
  assert.ok(chunks.every((chunk) => chunk.choices.length === 1));
  assert.ok(chunks.every((chunk) => chunk.usage == null));
  assert.ok(chunks.at(-1).choices[0].finish_reason);
  const text = chunks.map((chunk) => chunk.choices[0].delta.content ?? '').join('');
  const plain = await client(ALPHA).chat.completions.create(ask);
  assert.equal(text, plain.choices[0].message.content);
});

test('a stream with usage ends with the usage chunk', async () => {
  const ask = { model: 'gpt-4.1', messages, max_tokens: 20, stream: true, stream_options: { include_usage: true } };
  const chunks = await collect(await client(ALPHA).chat.completions.create(ask));
  assert.deepEqual(chunks.at(-1).choices, []);
  assert.ok(chunks.at(-1).usage.completion_tokens > 0);
  assert.ok(chunks.slice(0, -1).every((chunk) => chunk.usage == null));
});

test('tools pass through', async () => {
  const ask = { model: 'gpt-4.1', messages, tools: [tool], tool_choice: 'required', max_tokens: 100 };
  const plain = (await client(ALPHA).chat.completions.create(ask)).choices[0].message.tool_calls[0].function;
  assert.equal(plain.name, 'look_up');
  const chunks = await collect(await client(ALPHA).chat.completions.create({ ...ask, stream: true }));
  const calls = chunks.flatMap((chunk) => chunk.choices[0].delta.tool_calls ?? []);
  assert.equal(calls.map((call) => call.function.arguments ?? '').join(''), plain.arguments);
});

test('completions', async () => {
  const answer = await client(ALPHA).completions.create({ model: 'instruct', prompt: 'Once upon', max_tokens: 10 });
  assert.ok(answer.choices[0].text);
});

test('embeddings', async () => {
  const answer = await client(ALPHA).embeddings.create({ model: 'text-embedding-3-small', input: ['one', 'two'] });
  assert.deepEqual(answer.data.map((item) => item.index), [0, 1]);
  assert.ok(answer.data[0].embedding.length > 0);
});

test('models are those of the tenant', async () => {
  const ids = async (key) => (await collect(client(key).models.list())).map((model) => model.id).sort();
  assert.deepEqual(await ids(ALPHA), ['gpt-4.1', 'instruct', 'slow', 'text-embedding-3-small', 'unreachable']);
  assert.deepEqual(await ids(BETA), ['gpt-4.1-mini']);
  assert.equal((await client(BETA).models.retrieve('gpt-4.1-mini')).id, 'gpt-4.1-mini');
  await refused(OpenAI.NotFoundError, 404, 'model_not_found', () => client(BETA).models.retrieve('gpt-4.1'));
});

test('headers say who, what is left and what it cost', async () => {
  const ask = { model: 'gpt-4.1', messages, max_tokens: 20 };
  const { data, response } = await client(ALPHA).chat.completions.create(ask).withResponse();
  const header = (name) => response.headers.get(name);
  assert.match(header('X-Request-Id'), /^req_/);
  assert.equal(header('X-Tenant-ID'), 'alpha');
  assert.equal(header('X-RateLimit-Limit'), '1000');
  assert.ok(Number(header('X-RateLimit-Remaining')) < 1000);
  assert.ok(Number(header('X-RateLimit-Reset')) > Date.now() / 1000 - 1);
  assert.equal(header('x-ratelimit-limit-requests'), '1000');
  assert.equal(header('x-ratelimit-limit-tokens'), '10000000');
  // $8 per 1M tokens of either kind: eight millionths of a dollar each.
  assert.equal(Math.round(Number(header('Mandant-Cost-Usd')) * 1e6), 8 * data.usage.total_tokens);
});

test('responses, plain and streamed', async () => {
  const ask = { model: 'gpt-4.1', input: 'Say hello to the tenants.' };
  const plain = await client(GAMMA).responses.create(ask);
  const streamed = await client(GAMMA).responses.stream(ask).finalResponse();
  assert.ok(plain.output_text);
  assert.equal(streamed.output_text, plain.output_text);
  assert.equal(streamed.usage.output_tokens, plain.usage.output_tokens);
  const broken = await client(GAMMA).responses.create({ ...ask, model: 'responses-that-break', stream: true });
  await assert.rejects(() => collect(broken), (error) => error instanceof OpenAI.APIError && error.code === 'upstream_error');
  const judged = await client(GAMMA).moderations.create({ model: 'omni-moderation-latest', input: 'x' });
  assert.equal(judged.results[0].flagged, false);
});

// What is refused, each as the client's own class.

test("conversations are a tenant's own", async () => {
  const own = client(GAMMA);
  const kept = await own.conversations.create({ items: [{ type: 'message', role: 'user', content: 'Remember.' }] });
  const answer = await own.responses.create({ model: 'gpt-4.1', input: 'And now?', conversation: kept.id });
  assert.equal(answer.conversation.id, kept.id);
  const ids = [];
  for await (const item of own.conversations.items.list(kept.id, { order: 'asc', limit: 2 })) ids.push(item.id);
  assert.deepEqual([ids.length, ids[2]], [3, answer.output[0].id]);
  const item = await own.conversations.items.retrieve(ids[2], { conversation_id: kept.id });
  assert.equal(item.content[0].text, answer.output_text);
  const stranger = client(ALPHA);
  const foreign = [
    () => stranger.conversations.retrieve(kept.id),
    () => stranger.conversations.delete(kept.id),
    () => stranger.responses.create({ model: 'gpt-4.1', input: 'x', conversation: { id: kept.id } }),
  ];
  for (const call of foreign) await refused(OpenAI.NotFoundError, 404, 'object_not_found', call);
  assert.equal((await own.conversations.delete(kept.id)).deleted, true);
});

test('400 is a BadRequestError', async () => {
  const fields = [
    [{ max_tokens: -1 }, 'invalid_request'],
    [{ n: 0 }, 'invalid_request'],
    [{ MODEL: 'gpt-4.1-mini' }, 'ambiguous_request'],
  ];
  for (const [field, code] of fields) {
    await refused(OpenAI.BadRequestError, 400, code, () =>
      client(ALPHA).chat.completions.create({ model: 'gpt-4.1', messages, ...field }),
    );
  }
});

test('401 is an AuthenticationError', async () => {
  for (const key of ['sk-unknown', `mk-${'a'.repeat(49)}`, ALPHA.slice(0, -1), `${ALPHA}a`]) {
    await refused(OpenAI.AuthenticationError, 401, 'invalid_api_key', () =>
      client(key).chat.completions.create({ model: 'gpt-4.1', messages }),
    );
  }
});

test('402 says what is missing', async () => {
  const error = await refused(OpenAI.APIError, 402, 'budget_exhausted', () =>
    client(BETA_POOR).chat.completions.create({ model: 'gpt-4.1-mini', messages }),
  );
  assert.equal(error.error.limit_usd, '0.000001');
});

test('403 is a PermissionDeniedError', async () => {
  const error = await refused(OpenAI.PermissionDeniedError, 403, 'model_not_allowed', () =>
    client(BETA).chat.completions.create({ model: 'slow', messages }),
  );
  assert.deepEqual(error.error.allowed_models, ['gpt-4.1-mini']);
});

test('404 is a NotFoundError', async () => {
  await refused(OpenAI.NotFoundError, 404, 'model_not_found', () =>
    client(ALPHA).chat.completions.create({ model: 'no-such-model', messages }),
  );
  const foreign = client(ALPHA, { defaultHeaders: { 'X-Tenant-ID': 'beta' } });
  await refused(OpenAI.NotFoundError, 404, 'tenant_not_found', () => foreign.models.list().then(collect));
});

test('429 is a RateLimitError', async () => {
  const ask = { model: 'gpt-4.1-mini', messages, max_tokens: 5 };
  const throttled = client(BETA_THROTTLED);
  await throttled.chat.completions.create(ask);
  const error = await refused(OpenAI.RateLimitError, 429, 'rate_limited', () => throttled.chat.completions.create(ask));
  const wait = Number(error.headers.get('Retry-After'));
  assert.ok(wait >= 1 && wait <= 61, `Retry-After: ${wait}`);
  assert.equal(error.headers.get('X-RateLimit-Limit'), '1');
  assert.equal(error.headers.get('X-RateLimit-Remaining'), '0');
});

test('502 is an InternalServerError', async () => {
  await refused(OpenAI.InternalServerError, 502, 'upstream_error', () =>
    client(ALPHA).chat.completions.create({ model: 'unreachable', messages }),
  );
});

test('a retry waits as long as Retry-After says', async () => {
  const tries = [];
  const watching = async (url, init) => {
    const sent = performance.now();
    const answer = await fetch(url, init);
    tries.push({ sent, status: answer.status, wait: Number(answer.headers.get('Retry-After')) });
    return answer;
  };
  const stream = await client(ALPHA_SINGLE).chat.completions.create({ model: 'slow', messages, stream: true });
  const reader = collect(stream);
  const patient = client(ALPHA_SINGLE, { maxRetries: 5, fetch: watching });
  const answer = await patient.chat.completions.create({ model: 'gpt-4.1', messages, max_tokens: 5 });
  await reader;
  assert.ok(answer.choices[0].message.content);
  assert.equal(tries.at(-1).status, 200);
  assert.ok(tries.length > 1, 'the slot was free at once: the stream is not slow');
  for (let index = 1; index < tries.length; index += 1) {
    const { sent, status, wait } = tries[index - 1];
    assert.equal(status, 429);
    assert.ok(tries[index].sent - sent >= wait * 1000 - 10, `${tries[index].sent - sent} ms for ${wait} s`);
  }
});
