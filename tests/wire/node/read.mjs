// Reads answers with the official client: a job per line on standard input, what was read per line on standard output.

import OpenAI from "openai";
import readline from "node:readline";

const clients = new Map();

function clientOf(base) {
  if (!clients.has(base)) {
    clients.set(base, new OpenAI({ baseURL: base, apiKey: "unused", maxRetries: 0, timeout: 20000, logLevel: "off" }));
  }
  return clients.get(base);
}

function failure(error) {
  return {
    class: error?.constructor?.name ?? "Error",
    status: error?.status ?? null,
    body: error?.error ?? null,
    message: String(error?.message ?? error),
  };
}

async function readStream(call, events) {
  for await (const event of await call()) events.push(event);
  return null;
}

// The helper: what it says is done, and the message at the end.
async function readHelper(client, job, events) {
  const stream = client.chat.completions.stream(job.request);
  for (const type of ["content.done", "refusal.done", "tool_calls.function.arguments.done"]) {
    stream.on(type, (event) => events.push({ type, ...event }));
  }
  stream.on("error", () => {});
  return await stream.finalChatCompletion();
}

async function read(job) {
  const client = clientOf(job.base);
  const sources = {
    chat: client.chat.completions,
    completions: client.completions,
    responses: client.responses,
    embeddings: client.embeddings,
  };
  const create = (members) => sources[job.endpoint].create({ ...job.request, ...members });
  const events = [];
  let final = null;
  try {
    if (job.client === "node-stream") final = await readHelper(client, job, events);
    else if (job.stream) final = await readStream(() => create({ stream: true }), events);
    else final = (await create({})) ?? null;
  } catch (error) {
    return { events, final: null, error: failure(error) };
  }
  return { events, final, error: null };
}

for await (const line of readline.createInterface({ input: process.stdin })) {
  process.stdout.write(JSON.stringify(await read(JSON.parse(line))) + "\n");
}
