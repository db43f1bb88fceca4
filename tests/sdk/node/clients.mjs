// The clients of the matrix: each says in its own words what is asked of all of them.

import { createAnthropic } from '@ai-sdk/anthropic';
import { createGoogleGenerativeAI } from '@ai-sdk/google';
import { createOpenAI } from '@ai-sdk/openai';
import Anthropic from '@anthropic-ai/sdk';
import { ApiError, GoogleGenAI } from '@google/genai';
import { APICallError, generateObject, generateText, jsonSchema, stepCountIs, streamText, tool } from 'ai';
import OpenAI from 'openai';

export const HELLO = 'Say hello to the tenants.';
const FOUND = 'It was found.';
const LIMIT = 200;
const MILLIS_MAX = 20_000;
const SCHEMA = {
  type: 'object',
  properties: { echo: { type: 'string' }, count: { type: 'integer' } },
  required: ['echo', 'count'],
  additionalProperties: false,
};
const LOOK_UP = {
  type: 'object',
  properties: { echo: { type: 'string' } },
  required: ['echo'],
  additionalProperties: false,
};
const NAMED = { name: 'look_up', description: 'Looks up.' };

/** What a client learnt: texts, the arguments of calls, and the usage that it was told, all parts of the input together. */
const said = (text, calls, input, output, pieces = 0) => ({ text, calls, input, output, pieces });
const sum = (first, after) => said(after.text, first.calls, first.input + after.input, first.output + after.output);
const jsonOf = (one) => ({ ...one, value: JSON.parse(one.text) });

/** The status and words of a refusal in the types of an SDK; status 0 is an error without one. */
const statusOf = (kinds) => (error) => {
  if (!(error instanceof kinds.APIError)) return undefined;
  const wanted = { 400: kinds.BadRequestError, 401: kinds.AuthenticationError, 404: kinds.NotFoundError }[error.status];
  if (wanted && !(error instanceof wanted)) return undefined;
  return { status: error.status ?? 0, words: error.message };
};

function openaiChat({ baseURL, apiKey }) {
  const client = new OpenAI({ baseURL, apiKey, maxRetries: 0, timeout: MILLIS_MAX });
  const ask = (model) => ({ model, messages: [{ role: 'user', content: HELLO }], max_tokens: LIMIT });
  const tools = [{ type: 'function', function: { ...NAMED, parameters: LOOK_UP } }];
  const options = { stream_options: { include_usage: true } };
  const read = ({ choices: [{ message }], usage }) =>
    said(
      message.content ?? '',
      (message.tool_calls ?? []).map((call) => JSON.parse(call.function.arguments)),
      usage.prompt_tokens,
      usage.completion_tokens,
    );
  return {
    refusal: statusOf(OpenAI),
    plain: async (model) => read(await client.chat.completions.create(ask(model))),
    async stream(model) {
      const all = said('', [], 0, 0);
      for await (const chunk of await client.chat.completions.create({ ...ask(model), ...options, stream: true })) {
        const text = chunk.choices[0]?.delta.content;
        if (text) [all.text, all.pieces] = [all.text + text, all.pieces + 1];
        if (chunk.usage) [all.input, all.output] = [chunk.usage.prompt_tokens, chunk.usage.completion_tokens];
      }
      return all;
    },
    async tools(model) {
      const first = await client.chat.completions.create({ ...ask(model), tools });
      const { message } = first.choices[0];
      const result = { role: 'tool', tool_call_id: message.tool_calls[0].id, content: FOUND };
      const messages = [...ask(model).messages, message, result];
      return sum(read(first), read(await client.chat.completions.create({ ...ask(model), messages, tools })));
    },
    streamTools: async (model) =>
      read(await client.chat.completions.stream({ ...ask(model), ...options, tools }).finalChatCompletion()),
    async structured(model) {
      const json_schema = { name: 'answer', schema: SCHEMA, strict: true };
      const response_format = { type: 'json_schema', json_schema };
      return jsonOf(read(await client.chat.completions.create({ ...ask(model), response_format })));
    },
  };
}

function openaiResponses({ baseURL, apiKey }) {
  const client = new OpenAI({ baseURL, apiKey, maxRetries: 0, timeout: MILLIS_MAX });
  const ask = (model) => ({ model, input: [{ role: 'user', content: HELLO }], max_output_tokens: LIMIT });
  const tools = [{ type: 'function', ...NAMED, parameters: LOOK_UP, strict: true }];
  const callsOf = (answer) => answer.output.filter((item) => item.type === 'function_call');
  const textOf = (answer) =>
    answer.output.flatMap((item) => (item.type === 'message' ? item.content.map((part) => part.text) : [])).join('');
  const read = (answer) =>
    said(
      textOf(answer),
      callsOf(answer).map((call) => JSON.parse(call.arguments)),
      answer.usage.input_tokens,
      answer.usage.output_tokens,
    );
  return {
    refusal: statusOf(OpenAI),
    plain: async (model) => read(await client.responses.create(ask(model))),
    async stream(model) {
      const stream = client.responses.stream(ask(model));
      let pieces = 0;
      for await (const event of stream) if (event.type === 'response.output_text.delta') pieces += 1;
      return { ...read(await stream.finalResponse()), pieces };
    },
    async tools(model) {
      const first = await client.responses.create({ ...ask(model), tools });
      const [{ type, call_id, name, arguments: given }] = callsOf(first);
      const items = [{ type, call_id, name, arguments: given }, { type: 'function_call_output', call_id, output: FOUND }];
      const after = await client.responses.create({ ...ask(model), input: [...ask(model).input, ...items], tools });
      return sum(read(first), read(after));
    },
    streamTools: async (model) => read(await client.responses.stream({ ...ask(model), tools }).finalResponse()),
    async structured(model) {
      const text = { format: { type: 'json_schema', name: 'answer', schema: SCHEMA, strict: true } };
      return jsonOf(read(await client.responses.create({ ...ask(model), text })));
    },
  };
}

function anthropic({ root, apiKey }) {
  const client = new Anthropic({ baseURL: root, apiKey, maxRetries: 0, timeout: MILLIS_MAX });
  const ask = (model) => ({ model, messages: [{ role: 'user', content: HELLO }], max_tokens: LIMIT });
  const tools = [{ ...NAMED, input_schema: LOOK_UP }];
  const read = ({ content, usage }) =>
    said(
      content.map((block) => (block.type === 'text' ? block.text : '')).join(''),
      content.filter((block) => block.type === 'tool_use').map((block) => block.input),
      usage.input_tokens + (usage.cache_read_input_tokens ?? 0) + (usage.cache_creation_input_tokens ?? 0),
      usage.output_tokens,
    );
  return {
    refusal: statusOf(Anthropic),
    plain: async (model) => read(await client.messages.create(ask(model))),
    async stream(model) {
      const stream = client.messages.stream(ask(model));
      let pieces = 0;
      stream.on('text', () => (pieces += 1));
      return { ...read(await stream.finalMessage()), pieces };
    },
    async tools(model) {
      const first = await client.messages.create({ ...ask(model), tools });
      const { id } = first.content.find((block) => block.type === 'tool_use');
      const messages = [
        ...ask(model).messages,
        { role: 'assistant', content: first.content },
        { role: 'user', content: [{ type: 'tool_result', tool_use_id: id, content: FOUND }] },
      ];
      return sum(read(first), read(await client.messages.create({ ...ask(model), messages, tools })));
    },
    streamTools: async (model) => read(await client.messages.stream({ ...ask(model), tools }).finalMessage()),
    async structured(model) {
      const output_config = { format: { type: 'json_schema', schema: SCHEMA } };
      return jsonOf(read(await client.messages.create({ ...ask(model), output_config })));
    },
  };
}

function google({ root, apiKey }) {
  const client = new GoogleGenAI({ apiKey, httpOptions: { baseUrl: root, timeout: MILLIS_MAX } });
  const ask = (model, more) => ({ model, contents: HELLO, config: { maxOutputTokens: LIMIT, ...more } });
  const tools = [{ functionDeclarations: [{ ...NAMED, parametersJsonSchema: LOOK_UP }] }];
  const partsOf = (answer) => answer.candidates?.[0]?.content?.parts ?? [];
  const read = (answers) => {
    const parts = answers.flatMap(partsOf);
    const texts = parts.map((part) => part.text ?? '').filter((text) => text);
    const calls = parts.filter((part) => part.functionCall).map((part) => part.functionCall.args);
    const usage = answers.at(-1).usageMetadata;
    const output = (usage.candidatesTokenCount ?? 0) + (usage.thoughtsTokenCount ?? 0);
    return said(texts.join(''), calls, usage.promptTokenCount, output, texts.length);
  };
  const whole = async (asked) => read([await client.models.generateContent(asked)]);
  const streamed = async (asked) => {
    const answers = [];
    for await (const answer of await client.models.generateContentStream(asked)) answers.push(answer);
    return read(answers);
  };
  return {
    refusal: (error) => {
      if (error instanceof ApiError) return { status: error.status, words: error.message };
      // Of a stream that breaks it makes an error of its own.
      return error instanceof Error && !(error instanceof TypeError) ? { status: 0, words: error.message } : undefined;
    },
    plain: (model) => whole(ask(model)),
    stream: (model) => streamed(ask(model)),
    async tools(model) {
      const first = await client.models.generateContent(ask(model, { tools }));
      const { functionCall } = partsOf(first).find((part) => part.functionCall);
      const functionResponse = { id: functionCall.id, name: 'look_up', response: { result: FOUND } };
      const contents = [
        { role: 'user', parts: [{ text: HELLO }] },
        first.candidates[0].content,
        { role: 'user', parts: [{ functionResponse }] },
      ];
      return sum(read([first]), await whole({ ...ask(model, { tools }), contents }));
    },
    streamTools: (model) => streamed(ask(model, { tools })),
    structured: async (model) =>
      jsonOf(await whole(ask(model, { responseMimeType: 'application/json', responseJsonSchema: SCHEMA }))),
  };
}

/** Vercel's `ai`, with the model of one of its providers. */
const ai = (modelOf) => (place) => {
  const ask = (model) => ({ model: modelOf(place)(model), prompt: HELLO, maxOutputTokens: LIMIT, maxRetries: 0 });
  const given = () => {
    const calls = [];
    const execute = async (input) => {
      calls.push(input);
      return FOUND;
    };
    const look_up = tool({ description: 'Looks up.', inputSchema: jsonSchema(LOOK_UP), execute });
    return { calls, more: { tools: { look_up }, stopWhen: stepCountIs(3) } };
  };
  const read = (text, calls, usage, pieces) => said(text, calls, usage.inputTokens, usage.outputTokens, pieces);
  const streamed = async (asked, calls) => {
    let failure;
    const stream = streamText({ ...asked, onError: ({ error }) => (failure = error) });
    const pieces = [];
    for await (const piece of stream.textStream) pieces.push(piece);
    if (failure) throw failure;
    return read(pieces.join(''), calls, await stream.totalUsage, pieces.length);
  };
  return {
    refusal: (error) => {
      if (APICallError.isInstance(error)) return { status: error.statusCode ?? 0, words: `${error.message} ${error.responseBody}` };
      // What breaks a stream comes as it is: an event of its provider's, or an error of the parser.
      return error && !(error instanceof TypeError) ? { status: 0, words: String(error.message ?? error) } : undefined;
    },
    async plain(model) {
      const { text, usage } = await generateText(ask(model));
      return read(text, [], usage);
    },
    stream: (model) => streamed(ask(model), []),
    async tools(model) {
      const { calls, more } = given();
      const { text, totalUsage } = await generateText({ ...ask(model), ...more });
      return read(text, calls, totalUsage);
    },
    streamTools(model) {
      const { calls, more } = given();
      return streamed({ ...ask(model), ...more }, calls);
    },
    async structured(model) {
      const { object, usage } = await generateObject({ ...ask(model), schema: jsonSchema(SCHEMA) });
      return { ...read('', [], usage), value: object };
    },
  };
};

export const CLIENTS = {
  'openai chat': openaiChat,
  'openai responses': openaiResponses,
  anthropic,
  'google-genai': google,
  'ai chat': ai(({ baseURL, apiKey }) => createOpenAI({ baseURL, apiKey }).chat),
  'ai responses': ai(({ baseURL, apiKey }) => createOpenAI({ baseURL, apiKey }).responses),
  'ai anthropic': ai(({ baseURL, apiKey }) => createAnthropic({ baseURL, apiKey })),
  'ai google': ai(({ root, apiKey }) => createGoogleGenerativeAI({ baseURL: `${root}/v1beta`, apiKey })),
};
