// A client of the D-Bus protocol, as small as the talk with systemd needs: method calls and signals
// on one connection, everything under one deadline. Why not a library: docs/decisions.
// Source: D-Bus Specification 0.42.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "dbus_value.h"
#include <corten/base/result.h>
#include <corten/sys/fd.h>

namespace corten::cgroup::dbus {

// A moment of CLOCK_MONOTONIC.
class Deadline {
 public:
  explicit Deadline(int milliseconds);
  // Never negative.
  int milliseconds_left() const;
  int total() const { return total_; }

 private:
  int total_;
  int64_t at_ms_;
};

struct Call {
  std::string_view destination;
  std::string_view path;
  std::string_view interface;
  std::string_view member;
  std::string_view signature;  // of the body
  std::string_view body;       // a Writer's bytes
};

struct Message {
  enum class Type : uint8_t { Call = 1, Return = 2, Error = 3, Signal = 4 };
  Type type = Type::Call;
  uint32_t reply_to = 0;
  std::string interface;
  std::string member;
  std::string error_name;  // "org.freedesktop.systemd1.NoSuchUnit"
  std::string body;        // for a Reader
};

class Connection {
 public:
  // Connects to a socket and authenticates with the peer's own view of this process (EXTERNAL with
  // an empty identity), which is right in a user namespace as well.
  // Errors: System with the errno of connect(2); Timeout; Protocol.
  static Result<Connection> open(const std::string& socket_path, const Deadline& deadline);

  // Sends the call and waits for its answer; signals that come meanwhile are kept for
  // wait_signal(). Errors: System with the text of the peer's error, whose name is in `error_name`;
  // Timeout.
  Result<std::string> call(const Call& call, const Deadline& deadline, std::string* error_name);

  // The next signal, kept or new.
  Result<Message> wait_signal(const Deadline& deadline);

 private:
  explicit Connection(sys::UniqueFd socket) : socket_(std::move(socket)) {}

  Result<> authenticate(const Deadline& deadline);
  // Reads until the buffer holds that many bytes.
  Result<> fill(std::size_t size, const Deadline& deadline);
  Result<> receive_some(const Deadline& deadline);
  Result<Message> receive(const Deadline& deadline);

  sys::UniqueFd socket_;
  std::string buffer_;
  std::vector<Message> signals_;
  uint32_t serial_ = 0;
};

// The bytes of a method call with this serial number.
std::string marshal_call(const Call& call, uint32_t serial);
// A whole message, as a peer sent it. Errors: Protocol.
Result<Message> parse_message(std::string_view bytes);
// The size of the message whose first 16 bytes these are. Errors: Protocol.
Result<std::size_t> message_size(std::string_view header);

}  // namespace corten::cgroup::dbus
