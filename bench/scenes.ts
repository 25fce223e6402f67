import type { Scene } from "./scene.ts";
import { brokerStart } from "./scenes/broker-start.ts";
import { durability } from "./scenes/durability.ts";
import { ending } from "./scenes/ending.ts";
import { fanOut } from "./scenes/fan-out.ts";
import { message } from "./scenes/message.ts";
import { scale } from "./scenes/scale.ts";
import { session } from "./scenes/session.ts";
import { start } from "./scenes/start.ts";
import { throughput } from "./scenes/throughput.ts";

/** Everything that the bench measures, in the order in which it is measured. */
export const scenes: readonly Scene[] = [
  message,
  session,
  throughput,
  fanOut,
  scale,
  start,
  brokerStart,
  ending,
  durability,
];
