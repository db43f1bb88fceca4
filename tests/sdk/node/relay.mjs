// Starts the real relay in front of the simulated provider, for the duration of a test file.

import { spawn, spawnSync } from 'node:child_process';
import { openSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { setTimeout as sleep } from 'node:timers/promises';

const here = dirname(fileURLToPath(import.meta.url));
const target = process.env.CARGO_TARGET_DIR ?? resolve(here, '../../../target');
const mandant = process.env.MANDANT_BINARY ?? join(target, 'debug/mandant');
const provider = process.env.MANDANT_PROVIDER_BIN ?? join(target, 'debug/examples/provider');
const providerKey = 'sk-simulated-provider-key';
const startMillisMax = 30_000;
const settleMillisMax = 5_000;

/** A port that nobody listens on now. */
function freePort() {
  return new Promise((done, failed) => {
    const probe = createServer();
    probe.on('error', failed);
    probe.listen(0, '127.0.0.1', () => {
      const { port } = probe.address();
      probe.close(() => done(port));
    });
  });
}

/** The first line that a process prints. */
function firstLine(child) {
  return new Promise((done, failed) => {
    let text = '';
    child.on('error', failed);
    child.on('exit', (code) => failed(new Error(`the simulated provider ended with ${code}`)));
    child.stdout.on('data', (data) => {
      text += data;
      if (text.includes('\n')) done(text.split('\n')[0]);
    });
  });
}

/** Starts the relay with the resources of ../resources.toml; stop() ends it and removes its data. */
export async function startRelay(providerOptions = []) {
  const folder = mkdtempSync(join(tmpdir(), 'mandant-sdk-'));
  const children = [];
  const stop = async () => {
    for (const child of children.reverse()) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      const ended = new Promise((done) => child.on('exit', done));
      child.kill('SIGTERM');
      const timer = setTimeout(() => child.kill('SIGKILL'), 10_000);
      await ended;
      clearTimeout(timer);
    }
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    const { baseURL, providerRoot } = await start(folder, children, providerOptions);
    return { baseURL, stop, truth: () => truth(providerRoot), calls: (...wanted) => calls(folder, ...wanted) };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** What the provider has billed, once it works at nothing. */
async function truth(providerRoot) {
  const deadline = performance.now() + settleMillisMax;
  for (;;) {
    const truth = await (await fetch(`${providerRoot}/sim/truth`)).json();
    if (truth.open === 0 || performance.now() > deadline) return truth;
    await sleep(10);
  }
}

/** The calls that were recorded and are not in `seen`, once there are `count` of them; then they are. */
async function calls(folder, tenant, seen, count) {
  const deadline = performance.now() + settleMillisMax;
  for (;;) {
    const listed = await control(folder, `/v1/tenants/${tenant}/calls?limit=${count + 20}`);
    const fresh = listed.calls.filter((call) => !seen.has(call.attempt));
    if (fresh.length >= count || performance.now() > deadline) {
      for (const call of fresh) seen.add(call.attempt);
      return fresh;
    }
    await sleep(10);
  }
}

/** Asks the relay's control socket. */
function control(folder, path) {
  return new Promise((done, failed) => {
    const asked = request({ socketPath: join(folder, 'data/control.sock'), path }, async (answer) => {
      let text = '';
      for await (const piece of answer) text += piece;
      done(JSON.parse(text));
    });
    asked.on('error', failed);
    asked.end();
  });
}

async function start(folder, children, providerOptions) {
  const env = { ...process.env, MANDANT_SDK_PROVIDER_KEY: providerKey };
  const simulated = spawn(provider, ['--key', providerKey, ...providerOptions], { stdio: ['ignore', 'pipe', 'inherit'] });
  children.push(simulated);
  const providerURL = await firstLine(simulated);
  const providerRoot = providerURL.replace(/\/v1$/, '');

  const port = await freePort();
  const config = join(folder, 'mandant.toml');
  writeFileSync(
    config,
    `data_dir = "${join(folder, 'data')}"\n[relay]\nlisten = "127.0.0.1:${port}"\nbatch_poll = "200ms"\n` +
      `[control]\nlisten = "127.0.0.1:${await freePort()}"\n`,
  );
  const resources = readFileSync(join(here, '../resources.toml'), 'utf8')
    .replaceAll('{provider}', providerURL)
    .replaceAll('{root}', providerRoot)
    // Cohere and Bedrock are asked by the tests in Python only.
    .replaceAll('{native}', `http://127.0.0.1:${await freePort()}`)
    .replaceAll('{nowhere}', `http://127.0.0.1:${await freePort()}/v1`);
  writeFileSync(join(folder, 'resources.toml'), resources);

  const logFile = join(folder, 'relay.log');
  const log = openSync(logFile, 'w');
  const relay = spawn(mandant, ['serve', '--config', config], { env, stdio: ['ignore', log, log] });
  children.push(relay);
  const baseURL = `http://127.0.0.1:${port}/v1`;
  await waitFor(baseURL, relay, logFile, undefined, 401);
  // Into the running process: what is applied is in force at once.
  const applied = spawnSync(mandant, ['apply', '--config', config, '-f', join(folder, 'resources.toml')], { env });
  if (applied.status !== 0) throw new Error(`apply failed: ${applied.stderr}`);
  await waitFor(baseURL, relay, logFile, 'sdk-test-secret-of-beta-poor', 200);
  return { baseURL, providerRoot };
}

async function waitFor(baseURL, relay, logFile, key, status) {
  const deadline = performance.now() + startMillisMax;
  let seen = 'nothing';
  while (performance.now() < deadline && relay.exitCode === null) {
    try {
      const answer = await fetch(`${baseURL}/models`, { headers: key ? { authorization: `Bearer ${key}` } : {} });
      await answer.arrayBuffer();
      seen = answer.status;
    } catch (error) {
      seen = error.cause?.code ?? error;
    }
    if (seen === status) return;
    await sleep(50);
  }
  throw new Error(`the relay answered ${seen} instead of ${status}; its log:\n${readFileSync(logFile, 'utf8')}`);
}
