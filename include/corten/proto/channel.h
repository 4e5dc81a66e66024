// One end of a SEQPACKET socket pair that carries Messages; who asks waits for the answer. Both
// sides of the fork use it; what comes from a child is checked for tag and size here and for its
// phase by the receiver.
#pragma once

#include <optional>
#include <utility>

#include <corten/base/result.h>
#include <corten/proto/message.h>
#include <corten/sys/fd.h>

namespace corten::proto {

struct Envelope {
  Message message{};
  sys::UniqueFd fd;  // empty when none came along
};

class Channel {
 public:
  Channel() = default;
  explicit Channel(sys::UniqueFd socket) : socket_(std::move(socket)) {}

  // A connected pair: {parent's end, child's end}.
  static Result<std::pair<Channel, Channel>> make_pair();

  int fd() const { return socket_.get(); }
  bool valid() const { return socket_.valid(); }
  void close() { socket_.reset(); }

  // fd: borrowed, -1 = none. Errors: System (EPIPE when the peer is gone).
  Result<> send(const Message& message, int fd = -1) const;
  // Sends the error as Failure; what does not fit is cut. Failing to send is not reported: the peer
  // sees end of file then.
  void send_failure(const Error& error) const;

  // Blocks. nullopt at end of file. A Failure becomes its Error.
  // Errors: the peer's Failure; Protocol for a packet of unknown tag or wrong size.
  Result<std::optional<Envelope>> receive() const;

  // receive() of exactly one kind. End of file and any other kind are Protocol errors.
  template <typename T>
  Result<sys::UniqueFd> expect(T* out = nullptr) const {
    std::optional<Envelope> envelope = TRY(receive());
    if (!envelope) [[unlikely]]
      return closed_error(T::kTag);
    const T* message = std::get_if<T>(&envelope->message);
    if (message == nullptr) [[unlikely]]
      return unexpected_error(T::kTag, envelope->message);
    if (out != nullptr) *out = *message;
    return std::move(envelope->fd);
  }

 private:
  [[gnu::cold]] static Error closed_error(uint32_t wanted);
  [[gnu::cold]] static Error unexpected_error(uint32_t wanted, const Message& got);
  template <typename T>
  Result<> send_struct(const T& body, int fd) const;

  sys::UniqueFd socket_;
};

// "MapIdsRequest", ...: for error texts.
const char* message_name(const Message& message);

}  // namespace corten::proto
