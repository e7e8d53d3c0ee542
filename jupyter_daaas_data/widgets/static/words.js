/** States, sizes, times and progress in words; the file panel says the same. */

const UNITS = ["B", "KB", "MB", "GB", "TB", "PB"];

/** Bytes as the stock file browser writes them. */
export function size(bytes) {
  if (!bytes) return "0 B";
  const unit = Math.min(Math.floor(Math.log(bytes) / Math.log(1024)), UNITS.length - 1);
  return `${parseFloat((bytes / 1024 ** unit).toFixed(1))} ${UNITS[unit]}`;
}

/** A number as people read it: 12,500. */
export function count(number) {
  return number.toLocaleString();
}

/** Seconds since the epoch as a date, with the time if it was this year. */
export function when(seconds, now = new Date()) {
  const date = new Date(seconds * 1000);
  const day = date.toLocaleDateString(undefined, { day: "numeric", month: "short", year: "numeric" });
  if (date.getFullYear() !== now.getFullYear()) return day;
  return `${day}, ${date.toLocaleTimeString(undefined, { hour: "2-digit", minute: "2-digit" })}`;
}

/** Where the bytes are, as a sentence. */
export function stateSentence(status) {
  switch (status.state) {
    case "remote":
      return "Remote: fetched when it is read.";
    case "partial":
      return `Partial: ${status.percent} % is on this machine (${size(status.cached_bytes)}).`;
    case "cached":
      return "Cached: all of it is on this machine.";
    case "pinned":
      return status.percent < 100
        ? `Pinned: kept on this machine; ${status.percent} % is here.`
        : "Pinned: all of it is kept on this machine.";
    case "dirty":
      return "Dirty: changed here, not yet sent.";
    case "sending":
      return "Sending: changes are on their way.";
    case "stuck":
      return `Stuck: ${status.reason} ${status.remedy}`.trim();
    default:
      return status.state;
  }
}

/** How long something still takes. */
export function left(seconds) {
  if (seconds < 60) return `${Math.max(Math.ceil(seconds), 1)} s left`;
  if (seconds < 3600) return `${Math.ceil(seconds / 60)} min left`;
  return `${(seconds / 3600).toFixed(1)} h left`;
}

/** How far a transfer is. */
export function progress(transfer) {
  const total = size(transfer.total_bytes);
  switch (transfer.state) {
    case "queued":
      return "waiting";
    case "running": {
      const parts = [`${size(transfer.done_bytes)} of ${total}`];
      if (transfer.rate) {
        parts.push(`${size(transfer.rate)}/s`);
        parts.push(left((transfer.total_bytes - transfer.done_bytes) / transfer.rate));
      }
      return parts.join(" · ");
    }
    case "done":
      return `done, ${total}`;
    case "cancelled":
      return "cancelled";
    default:
      return transfer.reason;
  }
}

/** How far a transfer is, 0 to 100. */
export function percent(transfer) {
  if (transfer.state === "done") return 100;
  return Math.floor((100 * transfer.done_bytes) / Math.max(transfer.total_bytes, 1));
}

/** The last name of a path. */
export function baseName(path) {
  return path.slice(path.lastIndexOf("/") + 1) || path;
}
