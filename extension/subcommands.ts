/** The subcommands of `/pilink`, for completion; the table of what they do is loaded when one is used. */
export const subcommandNames = [
  "setup",
  "create",
  "join",
  "leave",
  "agents",
  "send",
  "reply",
  "go",
  "inbox",
  "sent",
  "status",
  "delivery",
  "auto",
  "confirm",
  "doctor",
  "config",
  "server",
  "help",
] as const;

/** One of {@link subcommandNames}. */
export type SubcommandName = (typeof subcommandNames)[number];
