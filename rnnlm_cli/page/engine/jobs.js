"use strict";

// Jobs: the work on one request of the page. Long work stops every 30 ms to let other messages
// in, so that it can be cancelled, and asks then whether it has been.

const PAUSE_MILLISECONDS = 30;
const CANCELLED = new Error("cancelled"); // thrown inside work that has been cancelled

/**
 * Return a job.
 *
 * send: sends a message (type, fields) to the page.
 * rest: returns a promise that is kept when the messages that wait have been handled.
 */
function makeJob(send, rest) {
  let nextPause = performance.now() + PAUSE_MILLISECONDS;
  let isCancelled = false;
  const job = {
    send,
    onCancel: () => {},
    cancel: () => {
      isCancelled = true;
      job.onCancel();
    },
    isCancelled: () => isCancelled,
    isDue: () => performance.now() >= nextPause,
    rest: async () => {
      await rest();
      nextPause = performance.now() + PAUSE_MILLISECONDS;
    },
    pause: async (done, total) => {
      send("progress", {done, total});
      await job.rest();
      if (isCancelled) throw CANCELLED;
    },
  };
  return job;
}

/** Return a function that returns a promise which is kept after the messages that wait now. */
function makeRest() {
  const {port1, port2} = new MessageChannel(); // setTimeout would take 4 ms more
  const waiting = [];
  port1.onmessage = () => waiting.shift()();
  return () => new Promise(resolve => {
    waiting.push(resolve);
    port2.postMessage(null);
  });
}
