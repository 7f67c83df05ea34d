// Queues of jobs through BullMQ, all of whose steps are scripts, against a server that runs already and is empty:
//
//     npm ci && node queues.mjs PORT
//
// Prints what became of the jobs, so that two servers can be compared by `diff`.

import { FlowProducer, Queue, QueueEvents, Worker } from "bullmq";

const connection = { port: Number(process.argv[2]), maxRetriesPerRequest: null };
const JOBS = 1000;
const PATIENCE_MS = 60_000;

const after = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// Waits until something is so.
async function until(done) {
  const deadline = Date.now() + PATIENCE_MS;
  while (!(await done())) {
    if (Date.now() > deadline) throw new Error("the workers do not come to an end");
    await after(5);
  }
}

const show = (name, ...values) => console.log(name, ...values.map((value) => JSON.stringify(value)));

// Runs `use` with a queue, and closes everything that it made.
async function withQueue(name, use) {
  const queue = new Queue(name, { connection });
  const open = [queue];
  const worker = (process, options = {}) => {
    const made = new Worker(name, process, { connection, ...options });
    made.on("error", (error) => { throw error; });
    open.push(made);
    return made;
  };
  await use(queue, worker, open);
  await Promise.all(open.map((each) => each.close()));
}

const counts = (queue) => queue.getJobCounts("wait", "active", "delayed", "prioritized", "completed", "failed", "waiting-children");

await withQueue("many", async (queue, worker) => {
  await queue.addBulk(Array.from({ length: JOBS / 2 }, (_, number) => ({ name: "double", data: { number } })));
  let sum = 0;
  const made = worker(async (job) => 2 * job.data.number, { concurrency: 20 });
  made.on("completed", (_, result) => { sum += result; });
  await Promise.all(Array.from({ length: JOBS / 2 }, (_, number) => queue.add("double", { number: number + JOBS / 2 })));
  await until(async () => (await counts(queue)).completed === JOBS);
  await until(() => sum === JOBS * (JOBS - 1));
  show("many", sum, await counts(queue));
  const job = await queue.getJob("1");
  show("the first", job.name, job.data, job.returnvalue, await job.getState(), job.attemptsMade);
  show("cleaned", (await queue.clean(0, 10, "completed")).length, (await counts(queue)).completed);
});

await withQueue("delayed", async (queue, worker) => {
  const done = [];
  for (const delay of [300, 100, 200]) await queue.add("late", { delay }, { delay });
  const hour = await queue.add("much too late", {}, { delay: 3_600_000 });
  show("delayed", await counts(queue));
  worker(async (job) => { done.push([job.data.delay, Date.now() >= job.timestamp + job.data.delay]); });
  await until(() => done.length === 3);
  show("in time", done, await hour.getState());
  await hour.changeDelay(1);
  await until(async () => (await hour.getState()) === "completed");
  show("promoted", await counts(queue));
});

await withQueue("stubborn", async (queue, worker) => {
  const attempts = [];
  const job = await queue.add("thrice", {}, { attempts: 3, backoff: { type: "fixed", delay: 20 } });
  const lost = await queue.add("never", {}, { attempts: 2, backoff: { type: "exponential", delay: 5 } });
  worker(async (job) => {
    if (job.name === "thrice") attempts.push(job.attemptsMade);
    if (job.name === "never" || job.attemptsMade < 2) throw new Error(`not at attempt ${job.attemptsMade}`);
    await job.updateProgress(50);
    await job.log("done at last");
    return "at last";
  });
  await until(async () => (await job.isCompleted()) && (await lost.isFailed()));
  const found = await queue.getJob(job.id);
  show("tried again", attempts, found.returnvalue, found.progress, (await queue.getJobLogs(job.id)).logs);
  const failed = await queue.getJob(lost.id);
  show("failed", failed.failedReason, failed.attemptsMade, failed.stacktrace.length, await counts(queue));
  await failed.retry();
  await until(async () => (await queue.getJob(lost.id)).attemptsMade > failed.attemptsMade && (await lost.isFailed()));
  show("retried by hand", (await counts(queue)).failed);
});

await withQueue("limited", async (queue, worker) => {
  await queue.addBulk(Array.from({ length: 12 }, (_, number) => ({ name: "limited", data: { number } })));
  const started = Date.now();
  worker(async () => {}, { concurrency: 10, limiter: { max: 4, duration: 250 } });
  await until(async () => (await counts(queue)).completed === 12);
  // Two windows have to end before the last four can begin; some ms are for the clocks.
  show("limited", Date.now() - started >= 490, await counts(queue));
});

await withQueue("prioritized", async (queue, worker) => {
  const order = [];
  for (const priority of [5, 1, 3, 0, 2, 4]) await queue.add("p", { priority }, { priority });
  await queue.add("p", { priority: "lifo" }, { lifo: true });
  show("prioritized", await counts(queue), await queue.getCountsPerPriority([0, 1, 3]));
  worker(async (job) => { order.push(job.data.priority); });
  await until(() => order.length === 7);
  show("order", order);
});

await withQueue("paused", async (queue, worker) => {
  await queue.pause();
  await queue.add("waits", {}, { jobId: "known", deduplication: { id: "once" } });
  const again = await queue.add("waits", {}, { deduplication: { id: "once" } });
  const done = [];
  worker(async (job) => { done.push(job.id); });
  await after(50);
  show("paused", done.length, await queue.isPaused(), again.id);
  await queue.resume();
  await until(() => done.length === 1);
  const gone = await queue.add("removed", {}, { delay: 10_000 });
  await gone.remove();
  show("resumed", done, await gone.getState());
});

await withQueue("children", async (queue, worker, open) => {
  const parents = new Queue("parents", { connection });
  const flow = new FlowProducer({ connection });
  const events = new QueueEvents("parents", { connection });
  const parent = new Worker("parents", async (job) => {
    const values = Object.values(await job.getChildrenValues());
    return values.reduce((sum, value) => sum + value, job.data.base ?? 0);
  }, { connection });
  open.push(parents, flow, events, parent);
  await events.waitUntilReady();
  const children = (from) => Array.from({ length: 10 }, (_, at) => ({ name: "child", queueName: "children", data: { number: from + at } }));
  const tree = await flow.add({
    name: "top", queueName: "parents", data: { base: 1000 },
    children: [
      { name: "middle", queueName: "parents", data: {}, children: children(0) },
      { name: "middle", queueName: "parents", data: {}, children: children(10) },
      ...children(20),
    ],
  });
  show("flow", await tree.job.getState(), await tree.job.getDependenciesCount());
  worker(async (job) => job.data.number, { concurrency: 5 });
  show("flow, done", await tree.job.waitUntilFinished(events, PATIENCE_MS), await counts(parents), await counts(queue));
});

await withQueue("repeated", async (queue, worker) => {
  let runs = 0;
  worker(async () => { runs += 1; });
  await queue.upsertJobScheduler("tick", { every: 50, limit: 4 }, { name: "tick" });
  await until(() => runs >= 4);
  show("repeated", runs >= 4, (await queue.getJobSchedulers()).length <= 1, await queue.removeJobScheduler("none"));
  await queue.obliterate({ force: true });
  show("obliterated", await counts(queue));
});

process.exit(0);
