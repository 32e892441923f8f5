/** How large a message may be that we receive: 16 MiB unless said otherwise, never above 64 MiB. Sending is the peer's bound. */
const hardCapBytes = 64 * 1024 * 1024;
const defaultMaxBytes = 16 * 1024 * 1024;

/** The library's options. Throws RangeError outside 1 byte to 64 MiB. */
export function maxReceiveOption(maxReceiveBytes = defaultMaxBytes): Record<string, number> {
  if (!Number.isInteger(maxReceiveBytes) || maxReceiveBytes < 1 || maxReceiveBytes > hardCapBytes) {
    throw new RangeError(`maxReceiveBytes: ${maxReceiveBytes} is not an integer from 1 to ${hardCapBytes}`);
  }
  return { 'grpc.max_receive_message_length': maxReceiveBytes, 'grpc.max_send_message_length': hardCapBytes };
}
