// The entrance to this folder for every face: make sure that a broker runs, ask about it, stop it.
export { type EnsuredBroker, type EnsureOptions, ensureBroker, startBroker } from "./ensure.ts";
export { packageVersion } from "./runtime.ts";
export { brokerStatus, listBrokers, type RunningBroker, stopBroker } from "./service.ts";
