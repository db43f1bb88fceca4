// The official, unmodified clients for JavaScript against models of the other dialects: plain, streamed and with tools.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import Anthropic from '@anthropic-ai/sdk';
import { GoogleGenAI } from '@google/genai';
import OpenAI from 'openai';
import { startRelay } from './relay.mjs';

const apiKey = 'sdk-test-secret-of-gamma';
const HELLO = 'Say hello to the tenants.';
const schema = { type: 'object', properties: { echo: { type: 'string' } } };
const messages = [{ role: 'user', content: HELLO }];

let relay;
before(async () => {
  relay = await startRelay();
});
after(() => relay?.stop());

const root = () => relay.baseURL.replace(/\/v1$/, '');
const openai = () => new OpenAI({ baseURL: relay.baseURL, apiKey, maxRetries: 0, timeout: 20_000 });
const anthropic = () => new Anthropic({ baseURL: root(), apiKey, maxRetries: 0, timeout: 20_000 });
const google = () => new GoogleGenAI({ apiKey, httpOptions: { baseUrl: root(), timeout: 20_000 } });

for (const model of ['claude-haiku-4-5', 'gemini-2.5-flash']) {
  test(`OpenAI's client and ${model}`, async () => {
    const ask = { model, messages, max_tokens: 50 };
    const whole = await openai().chat.completions.create(ask);
    const text = whole.choices[0].message.content;
    assert.ok(text.length > 0);
    let said = '';
    for await (const chunk of await openai().chat.completions.create({ ...ask, stream: true })) {
      said += chunk.choices[0]?.delta.content ?? '';
    }
    assert.equal(said, text);
    const tools = [{ type: 'function', function: { name: 'look_up', parameters: schema } }];
    const final = await openai().chat.completions.stream({ ...ask, tools }).finalChatCompletion();
    assert.deepEqual(JSON.parse(final.choices[0].message.tool_calls[0].function.arguments), { echo: HELLO });
    const response = await openai().responses.stream({ model, input: HELLO, max_output_tokens: 50 }).finalResponse();
    assert.equal(response.output_text, text);
    await assert.rejects(
      () => openai().chat.completions.create({ ...ask, logit_bias: { 1: 5 } }),
      (error) => error instanceof OpenAI.BadRequestError && error.code === 'unsupported_field',
    );
  });
}

for (const model of ['gpt-4.1', 'gemini-2.5-flash']) {
  test(`Anthropic's client and ${model}`, async () => {
    const ask = { model, messages, max_tokens: 50 };
    const whole = await anthropic().messages.create(ask);
    const final = await anthropic().messages.stream(ask).finalMessage();
    assert.ok(whole.content[0].text.length > 0);
    assert.equal(final.content[0].text, whole.content[0].text);
    assert.equal(final.usage.output_tokens, whole.usage.output_tokens);
    const tools = [{ name: 'look_up', input_schema: schema }];
    const called = await anthropic().messages.stream({ ...ask, tools }).finalMessage();
    assert.deepEqual([called.stop_reason, called.content[0].input], ['tool_use', { echo: HELLO }]);
  });
}

for (const model of ['gpt-4.1', 'claude-haiku-4-5']) {
  test(`Google's client and ${model}`, async () => {
    const ask = { model, contents: HELLO };
    const whole = await google().models.generateContent(ask);
    let said = '';
    for await (const piece of await google().models.generateContentStream(ask)) said += piece.text ?? '';
    assert.ok(whole.text.length > 0);
    assert.equal(said, whole.text);
    const tools = [{ functionDeclarations: [{ name: 'look_up', parametersJsonSchema: schema }] }];
    const call = (await google().models.generateContent({ ...ask, config: { tools } })).functionCalls[0];
    assert.deepEqual([call.name, call.args], ['look_up', { echo: HELLO }]);
  });
}
