import type { EnteredNetwork } from "../../peer/entering.ts";
import { defaults } from "../../peer/settings.ts";
import { statePath } from "../../peer/state.ts";
import { folderNameOf } from "../../protocol/address.ts";
import { newBox } from "../../protocol/ids.ts";
import { ownIdentity } from "../../store/process.ts";
import type { Desk } from "../desk.ts";
import { serveControl } from "./control-server.ts";
import { Reception } from "./reception.ts";
import { type BackgroundRecord, readRecords, removeRecord, writeRecord } from "./record.ts";

/** What is offered to the commands of this machine. */
export interface OfferedPeer {
  home: string;
  folder: string;
  desk: Desk;
  broker: EnteredNetwork["broker"];
  /** Called where a command asks the peer to leave. */
  leave(reason: string): void;
}

/** A peer that commands find and ask. */
export interface Offering {
  record: BackgroundRecord;
  /** Waits a moment for those who were given something and have not said yet that they have it. */
  settle(): Promise<void>;
  /**
   * Ends it, when the peer has left.
   *
   * @param reason why the peer has ended, for those who come to fetch what it left
   * @param unread how many messages it left
   */
  close(reason: string, unread: number): Promise<void>;
}

// As long as the files of a network that has ended are kept.
const fetchLimitMs = defaults.auditDays * 86_400_000;

/**
 * Lets the commands of this machine find a peer of this process, and ask it.
 *
 * @throws PilinkError `state-unusable`; the system's error where it cannot listen
 */
export async function offerPeer({ home, folder, desk, broker, leave }: OfferedPeer): Promise<Offering> {
  const { peer } = desk;
  const id = newBox();
  const reception = new Reception(desk, leave);
  const control = await serveControl(home, id, (request, line) => reception.obey(request, line));
  const record: BackgroundRecord = {
    id,
    process: ownIdentity(),
    network: peer.network,
    name: peer.name,
    kind: peer.kind,
    url: broker.url,
    folder,
    statePath: statePath(home, peer.network, broker.isDefault ? undefined : folderNameOf(broker.url), peer.name),
    box: peer.box,
    control: { path: control.path, token: control.token },
    startedAt: Date.now(),
  };
  try {
    await writeRecord(home, record);
    await removeFormer(home, record);
  } catch (error) {
    control.close();
    throw error;
  }
  return {
    record,
    settle: () => reception.settle(),
    async close(reason, unread) {
      if (unread === 0) await removeRecord(home, record);
      else await writeRecord(home, { ...record, ended: { reason, at: Date.now() } });
      control.close();
    },
  };
}

/** What the life before this one left is this one's now; and what nobody fetched for long is not waited for any more. */
async function removeFormer(home: string, { id, statePath: own }: BackgroundRecord): Promise<void> {
  for (const { record, isAlive } of await readRecords(home)) {
    const isOld = record.ended !== undefined && record.ended.at < Date.now() - fetchLimitMs;
    if (!isAlive && record.id !== id && (record.statePath === own || isOld)) await removeRecord(home, record);
  }
}
