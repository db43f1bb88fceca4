// Vercel's `ai` with its three providers, unmodified, against a model of every dialect: plain, streamed, with tools, with a
// schema, and refused.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { createAnthropic } from '@ai-sdk/anthropic';
import { createGoogleGenerativeAI } from '@ai-sdk/google';
import { createOpenAI } from '@ai-sdk/openai';
import { APICallError, generateObject, generateText, jsonSchema, streamText, tool } from 'ai';
import { startRelay } from './relay.mjs';

const GAMMA = 'sdk-test-secret-of-gamma';
const HELLO = 'Say hello to the tenants.';
const MODELS = ['gpt-4.1', 'claude-haiku-4-5', 'gemini-2.5-flash'];
const schema = jsonSchema({
  type: 'object',
  properties: { echo: { type: 'string' } },
  required: ['echo'],
  additionalProperties: false,
});

let relay;
before(async () => {
  relay = await startRelay();
});
after(() => relay?.stop());

const root = () => relay.baseURL.replace(/\/v1$/, '');
const PROVIDERS = {
  chat: (apiKey) => createOpenAI({ baseURL: relay.baseURL, apiKey }).chat,
  responses: (apiKey) => createOpenAI({ baseURL: relay.baseURL, apiKey }).responses,
  anthropic: (apiKey) => createAnthropic({ baseURL: relay.baseURL, apiKey }),
  google: (apiKey) => createGoogleGenerativeAI({ baseURL: `${root()}/v1beta`, apiKey }),
};

for (const [name, provider] of Object.entries(PROVIDERS)) {
  for (const id of MODELS) {
    test(`${name} and ${id}`, async () => {
      const ask = { model: provider(GAMMA)(id), prompt: HELLO, maxOutputTokens: 50, maxRetries: 0 };
      const whole = await generateText(ask);
      assert.ok(whole.text.length > 0);
      assert.ok(whole.usage.outputTokens > 0);
      let said = '';
      let pieces = 0;
      for await (const piece of streamText(ask).textStream) {
        said += piece;
        pieces += 1;
      }
      assert.equal(said, whole.text);
      assert.ok(pieces > 3, `${pieces} pieces`);
      const tools = { look_up: tool({ description: 'Looks something up.', inputSchema: schema }) };
      const called = await generateText({ ...ask, tools });
      assert.deepEqual(called.toolCalls.map((call) => [call.toolName, call.input]), [['look_up', { echo: HELLO }]]);
    });
  }

  test(`${name} is refused as its provider would`, async () => {
    const refused = (apiKey, id, statusCode) =>
      assert.rejects(
        () => generateText({ model: provider(apiKey)(id), prompt: HELLO, maxRetries: 0 }),
        (error) => APICallError.isInstance(error) && error.statusCode === statusCode,
      );
    await refused('sk-wrong', 'gpt-4.1', 401);
    await refused(GAMMA, 'no-such-model', 404);
  });
}
