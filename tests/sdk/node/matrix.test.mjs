// Every client of JavaScript against an upstream of every dialect: plain, streamed, with tools, with a schema, and refused.
// Each cell also compares what the client was told, what the relay recorded and charged, and what the provider billed.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { CLIENTS, HELLO } from './clients.mjs';
import { startRelay } from './relay.mjs';

const TENANT = 'matrix';
const UPSTREAMS = ['chat', 'responses', 'messages', 'gemini', 'cohere', 'bedrock'];
// What the simulated provider says: 32 words of this, over and over.
const PARAGRAPH = (
  'This answer comes from a simulated provider . It speaks the same protocol as a real one , counts its tokens by a simple ' +
  'rule and never tires . Ask for more words and it begins again :'
).split(' ');
const TEXT = Array.from({ length: 32 }, (_, place) => PARAGRAPH[place % PARAGRAPH.length]).join(' ');
// As ../resources.toml has it, in nano-USD a token.
const PRICE = { input: 2_000, cached: 500, output: 8_000 };

// Cells that are refused by design, what the refusal names, and whether a call before it went out: see docs/translation.md.
const ONE_AT_A_TIME = { status: 400, words: 'tool_choice.disable_parallel_tool_use', leaves: false };
const REFUSED = {
  // With models that it does not know this client takes the one call of a tool for the object, and Anthropic's word for that.
  'ai anthropic/structured/gemini': ONE_AT_A_TIME,
  'ai anthropic/structured/cohere': ONE_AT_A_TIME,
  'ai anthropic/structured/bedrock': ONE_AT_A_TIME,
  // Cohere says its plan in a text before the call; this client names that by its id alone, and nothing is stored.
  'ai responses/tools/cohere': { status: 404, words: 'There is no object', leaves: true },
  'ai responses/streamTools/cohere': { status: 404, words: 'There is no object', leaves: true },
};

let relay;
const seen = new Set();
const table = new Map();
before(async () => {
  relay = await startRelay(['--cached-percent', '25']);
});
after(async () => {
  await relay?.stop();
  printTable();
});

const FEATURES = {
  async plain(client, model) {
    const said = await client.plain(model);
    assert.equal(said.text, TEXT);
    return said;
  },
  async stream(client, model) {
    const said = await client.stream(model);
    assert.equal(said.text, TEXT);
    assert.ok(said.pieces > 3, `${said.pieces} pieces`);
    return said;
  },
  async tools(client, model) {
    const said = await client.tools(model);
    assert.deepEqual(said.calls, [{ echo: HELLO }]);
    // Cohere says its plan in a text before the call, which is of the same conversation.
    assert.equal(said.text, TEXT);
    return said;
  },
  async streamTools(client, model) {
    const said = await client.streamTools(model);
    assert.deepEqual(said.calls, [{ echo: HELLO }]);
    return said;
  },
  async structured(client, model) {
    const said = await client.structured(model);
    assert.deepEqual(said.value, { echo: HELLO, count: 7 });
    return said;
  },
  async upstreamRefuses(client, model) {
    await isRefused(client, () => client.plain(`${model}-refuses`), 400, 'The request is invalid.');
  },
  async refused(client, model, stranger) {
    await isRefused(client, () => client.plain('no-such-model'), 404, 'no-such-model');
    await isRefused(client, () => client.stream('no-such-model'), 404, 'no-such-model');
    await isRefused(stranger, () => stranger.plain(model), 401, '');
  },
  async broken(client, model) {
    await assert.rejects(
      () => client.stream(`${model}-breaks`),
      (error) => client.refusal(error) !== undefined,
    );
  },
};

const isRefused = (client, call, status, words) =>
  assert.rejects(call, (error) => {
    const refusal = client.refusal(error);
    assert.ok(refusal, `${error}`);
    assert.equal(refusal.status, status, `${error}`);
    assert.ok(refusal.words.includes(words), refusal.words);
    return true;
  });

/** An amount of dollars as text, in nano-USD. */
function nanos(usd) {
  const [whole, fraction = ''] = usd.split('.');
  return Number(whole) * 1e9 + Number(fraction.padEnd(9, '0'));
}

async function checkBooks(told, was, upstream) {
  const is = await relay.truth();
  const billed = Object.fromEntries(Object.keys(is).map((name) => [name, is[name] - was[name]]));
  const calls = await relay.calls(TENANT, seen, billed.attempts);
  assert.equal(calls.length, billed.attempts);
  for (const call of calls) {
    const { input_tokens: input, cached_input_tokens: cached, output_tokens: output } = call;
    const cost = (input - cached) * PRICE.input + cached * PRICE.cached + output * PRICE.output;
    assert.equal(nanos(call.cost_usd), cost, JSON.stringify(call));
    assert.equal(nanos(call.variance_usd), 0, JSON.stringify(call));
  }
  const sumOf = (name) => calls.reduce((total, call) => total + call[`${name}_tokens`], 0);
  const endings = calls.map((call) => call.ending);
  if (!told) {
    // Whatever was refused cost nothing, and what broke off is charged by what was seen of it.
    for (const call of calls) assert.equal(call.output_tokens > 0, { refused: false, cut: true }[call.ending], call.ending);
    assert.equal(endings.filter((ending) => ending === 'refused').length, billed.unbilled);
    return;
  }
  assert.ok(sumOf('output') > 0);
  assert.deepEqual([...new Set(endings)], ['complete']);
  assert.deepEqual([sumOf('input'), sumOf('output')], [billed.prompt_tokens, billed.completion_tokens]);
  // Cohere bills no part of the prompt as cached.
  assert.equal(sumOf('cached_input'), upstream === 'cohere' ? 0 : billed.cached_tokens);
  assert.deepEqual([told.input, told.output], [sumOf('input'), sumOf('output')], 'as the client was told');
}

function printTable() {
  const width = Math.max(...Object.keys(CLIENTS).map((name) => name.length));
  const row = (name, cells) => console.log(name.padEnd(width), cells.map((cell) => cell.padEnd(10)).join(' '));
  row('', UPSTREAMS);
  const mark = (cell) => table.get(cell) ?? '?';
  for (const name of Object.keys(CLIENTS)) {
    row(name, UPSTREAMS.map((upstream) => Object.keys(FEATURES).map((one) => mark(`${name}/${one}/${upstream}`)).join('')));
  }
  console.log(`${Object.keys(FEATURES).join(', ')}: + served, - refused by name as docs/translation.md says, ? failed`);
}

for (const [name, make] of Object.entries(CLIENTS)) {
  for (const upstream of UPSTREAMS) {
    for (const [feature, check] of Object.entries(FEATURES)) {
      test(`${name}, ${upstream}: ${feature}`, async () => {
        const of = (apiKey) => make({ baseURL: relay.baseURL, root: relay.baseURL.replace(/\/v1$/, ''), apiKey });
        const [client, cell] = [of('sdk-test-secret-of-matrix'), `${name}/${feature}/${upstream}`];
        const [was, refusal, known] = [await relay.truth(), REFUSED[cell], seen.size];
        try {
          if (refusal) {
            await isRefused(client, () => client[feature](`m-${upstream}`), refusal.status, refusal.words);
            if (!refusal.leaves) assert.deepEqual(await relay.truth(), was, 'nothing was asked');
          } else {
            await checkBooks(await check(client, `m-${upstream}`, of('sk-wrong')), was, upstream);
          }
        } finally {
          // Calls of a cell that ended early are not those of the next.
          await relay.calls(TENANT, seen, (await relay.truth()).attempts - was.attempts - (seen.size - known));
        }
        table.set(cell, refusal ? '-' : '+');
      });
    }
  }
}
