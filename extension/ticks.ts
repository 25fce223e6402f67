import type { ThemeColor } from "@earendil-works/pi-coding-agent";
import type { SendOutcome } from "../peer/peer.ts";

/** What a message that was sent has come to, as a person sees it. */
export interface Tick {
  text: string;
  colour: ThemeColor;
}

type State = SendOutcome["state"];

const ticks: Readonly<Record<State, Tick>> = {
  queued: { text: "… queued", colour: "muted" },
  sent: { text: "✓ sent", colour: "muted" },
  received: { text: "✓✓ received", colour: "muted" },
  injected: { text: "✓✓ in its session", colour: "muted" },
  seen: { text: "◉ read by its model", colour: "accent" },
  replied: { text: "◉ answered", colour: "success" },
  denied: { text: "✗ denied", colour: "error" },
  expired: { text: "✗ expired", colour: "warning" },
  refused: { text: "✗ refused", colour: "error" },
};

const receivedStates: ReadonlySet<State> = new Set(["received", "injected", "seen", "replied"]);
const readStates: ReadonlySet<State> = new Set(["seen", "replied"]);

/**
 * What became of a message, in a few words.
 *
 * @param states one for each receiver
 */
export function describeTick(states: readonly State[]): Tick {
  const [only] = states;
  if (only === undefined) return { text: "", colour: "muted" };
  return states.length === 1 ? ticks[only] : sumUp(states);
}

function sumUp(states: readonly State[]): Tick {
  const number = (...wanted: State[]) => states.filter((state) => wanted.includes(state)).length;
  const received = states.filter((state) => receivedStates.has(state)).length;
  const read = states.filter((state) => readStates.has(state)).length;
  const failed = (["denied", "expired", "refused"] as const).flatMap((state) =>
    number(state) === 0 ? [] : [`${number(state)} ${state}`],
  );
  const isRead = read === states.length;
  const mark = isRead ? "◉" : received === states.length ? "✓✓" : received > 0 || number("sent") > 0 ? "✓" : "…";
  const counts = [`${received} of ${states.length} received`, ...(read === 0 ? [] : [`${read} read`]), ...failed];
  return {
    text: `${failed.length > 0 ? "✗" : mark} ${counts.join(", ")}`,
    colour: failed.length > 0 ? "warning" : isRead ? "accent" : "muted",
  };
}
