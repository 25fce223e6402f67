import { randomBytes, timingSafeEqual } from "node:crypto";
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isPilinkError, messageOf, PilinkError } from "../../protocol/errors.ts";
import { ensureFolder } from "../../store/folder.ts";
import { LineSocket } from "../line-socket.ts";
import { type Request, requestLimitBytes, requestSchema } from "./control.ts";
import { backgroundFolder } from "./record.ts";

// Every command of this machine that waits for a message holds one connection.
const connectionLimit = 256;
const requestTimeoutMs = 5_000;
// sockaddr_un holds 104 bytes on macOS and 108 on Linux.
const pathLimitBytes = 100;

/** How a background peer is asked: a socket of its owner, and the secret that its record holds. */
export interface ControlServer {
  path: string;
  token: string;
  /** Ends it; conversations that are under way are broken off. */
  close(): void;
}

/**
 * Answers the commands of this person, one request for each connection.
 *
 * @param id of the background peer, for the name of the socket
 * @param obey does what is asked, and writes the answers; what it throws is answered as an error
 * @throws the system's error where it cannot listen
 */
export async function serveControl(
  home: string,
  id: string,
  obey: (request: Request, line: LineSocket) => Promise<void>,
): Promise<ControlServer> {
  const token = randomBytes(24).toString("base64url");
  const { path, remove } = makePath(home, id);
  const sockets = new Set<Socket>();
  const server = createServer({ allowHalfOpen: false }, (socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
    const line = new LineSocket(socket, requestLimitBytes);
    if (sockets.size > connectionLimit) return line.destroy();
    void answer(socket, line, token, obey);
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(path, resolve);
  });
  // The folder is its owner's alone; this is for systems that look at the socket itself.
  if (process.platform !== "win32") chmodSync(path, 0o600);
  return {
    path,
    token,
    close() {
      server.close();
      for (const socket of sockets) socket.destroy();
      remove();
    },
  };
}

async function answer(
  socket: Socket,
  line: LineSocket,
  token: string,
  obey: (request: Request, line: LineSocket) => Promise<void>,
): Promise<void> {
  socket.setTimeout(requestTimeoutMs, () => socket.destroy());
  try {
    const asked = await line.next();
    socket.setTimeout(0);
    if (asked === undefined) return;
    const request = requestSchema.safeParse(asked).data;
    if (request === undefined || !isSame(request.token, token)) {
      throw new PilinkError(
        "bad-argument",
        "This background peer does not understand the request: it is of another version of pilink, or not meant for it. Run pilink leave, then join again.",
      );
    }
    await obey(request, line);
  } catch (error) {
    await line.send({ error: { code: isPilinkError(error) ? error.code : null, message: messageOf(error) } });
  } finally {
    line.end();
  }
}

function makePath(home: string, id: string): { path: string; remove: () => void } {
  if (process.platform === "win32")
    return { path: `\\\\.\\pipe\\pilink-${id}-${randomBytes(12).toString("hex")}`, remove: () => undefined };
  const folder = backgroundFolder(home);
  ensureFolder(folder);
  const path = join(folder, `${id}.sock`);
  if (Buffer.byteLength(path) <= pathLimitBytes) return { path, remove: () => rmSync(path, { force: true }) };
  // mkdtemp makes a folder that only its owner can look into.
  const short = mkdtempSync(join(tmpdir(), "pilink-"));
  return { path: join(short, "control"), remove: () => rmSync(short, { recursive: true, force: true }) };
}

function isSame(given: string, token: string): boolean {
  const [a, b] = [Buffer.from(given), Buffer.from(token)];
  return a.length === b.length && timingSafeEqual(a, b);
}
