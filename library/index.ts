/** PI//LINK for Node programs: a program is a peer like any agent (README, "From a program"). */

export type { NetworkState, PeerEvents, RosterEntry, SendOutcome, SentEntry } from "../peer/peer.ts";
export type { ErrorCode } from "../protocol/errors.ts";
export { isPilinkError, PilinkError } from "../protocol/errors.ts";
export type { Json } from "../protocol/json.ts";
export { createNetwork, type EnterNetworkOptions, enterNetwork, joinNetwork } from "./entering.ts";
export type { Message, NetworkPeer, SendOptions } from "./network-peer.ts";
