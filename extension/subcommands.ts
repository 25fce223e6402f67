/** The subcommands of `/pilink`, for completion; the table of what they do is loaded when one is used. */
export const subcommandNames = [
  "setup",
  "create",
  "join",
  "leave",
  "agents",
  "send",
  "go",
  "status",
  "server",
  "help",
] as const;
