#include "dbus.h"

#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <ctime>

#include <fmt/format.h>

#include <corten/base/strings.h>
#include <corten/sys/file.h>
#include <corten/sys/process.h>
#include <corten/sys/socket.h>

namespace corten::cgroup::dbus {

namespace {

constexpr std::size_t kFixedHeader = 16;
constexpr std::size_t kMaxMessage = std::size_t{16} << 20U;
constexpr std::size_t kMaxGreeting = 4096;
// "Header Fields".
constexpr uint8_t kPath = 1;
constexpr uint8_t kInterface = 2;
constexpr uint8_t kMember = 3;
constexpr uint8_t kErrorName = 4;
constexpr uint8_t kReplySerial = 5;
constexpr uint8_t kDestination = 6;
constexpr uint8_t kSignature = 8;

int64_t now_ms() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return int64_t{now.tv_sec} * 1000 + now.tv_nsec / 1000000;
}

Error broken(std::string_view why) {
  return Error(ErrorKind::Protocol, fmt::format("a malformed D-Bus message: {}", why));
}

void add_field(Writer& header, uint8_t code, std::string_view type, std::string_view value) {
  if (value.empty()) return;
  header.align(8);
  header.u8(code);
  header.signature(type);
  if (type == "g") {
    header.signature(value);
  } else {
    header.text(value);
  }
}

}  // namespace

Deadline::Deadline(int milliseconds) : total_(milliseconds), at_ms_(now_ms() + milliseconds) {}

int Deadline::milliseconds_left() const {
  return static_cast<int>(std::max<int64_t>(at_ms_ - now_ms(), 0));
}

// --- messages ------------------------------------------------------------------------------------

std::string marshal_call(const Call& call, uint32_t serial) {
  Writer header;
  header.u8('l');
  header.u8(static_cast<uint8_t>(Message::Type::Call));
  header.u8(0);  // flags
  header.u8(1);  // version of the protocol
  header.u32(static_cast<uint32_t>(call.body.size()));
  header.u32(serial);
  header.array(8, [&] {
    add_field(header, kPath, "o", call.path);
    add_field(header, kInterface, "s", call.interface);
    add_field(header, kMember, "s", call.member);
    add_field(header, kDestination, "s", call.destination);
    add_field(header, kSignature, "g", call.signature);
  });
  header.align(8);
  return header.bytes() + std::string(call.body);
}

Result<std::size_t> message_size(std::string_view header) {
  if (header.size() < kFixedHeader) return broken("too short");
  if (header[0] != 'l') return broken("not little endian");
  Reader body_length(header, 4);
  Reader fields_length(header, 12);
  const std::size_t fields = fields_length.u32();
  const std::size_t body = body_length.u32();
  if (fields > kMaxMessage || body > kMaxMessage) return broken("too long");
  return kFixedHeader + (fields + 7) / 8 * 8 + body;
}

namespace {

// One header field into the message; those that nobody needs here are passed over.
Result<> read_field(Reader& reader, Message& message) {
  reader.align(8);
  const uint8_t code = reader.u8();
  const std::string_view type = reader.signature();
  if (type == "u") {
    const uint32_t number = reader.u32();
    if (code == kReplySerial) message.reply_to = number;
    return {};
  }
  if (type != "s" && type != "o" && type != "g") return broken("a header field of unknown type");
  const std::string_view text = type == "g" ? reader.signature() : reader.text();
  if (code == kInterface) message.interface = text;
  if (code == kMember) message.member = text;
  if (code == kErrorName) message.error_name = text;
  return {};
}

}  // namespace

Result<Message> parse_message(std::string_view bytes) {
  const std::size_t size = TRY(message_size(bytes));
  if (size != bytes.size()) return broken("of another length than it says");
  Message message;
  message.type = static_cast<Message::Type>(bytes[1]);
  Reader reader(bytes, 12);
  const std::size_t end = kFixedHeader + reader.u32();
  while (reader.good() && reader.position() < end) TRY(read_field(reader, message));
  if (!reader.good()) return broken("it ends early");
  message.body = bytes.substr(kFixedHeader + (end - kFixedHeader + 7) / 8 * 8);
  return message;
}

// --- the connection ------------------------------------------------------------------------------

Result<Connection> Connection::open(const std::string& socket_path, const Deadline& deadline) {
  sys::UniqueFd socket =
      TRY(sys::unix_connect_within(socket_path, std::max(deadline.milliseconds_left(), 1)));
  Connection connection(std::move(socket));
  TRY(connection.authenticate(deadline).context(
      [&] { return "authenticating at " + quote(socket_path); }));
  return connection;
}

Result<> Connection::authenticate(const Deadline& deadline) {
  // All lines at once saves three round trips; the answers are "DATA" and "OK <guid>".
  using std::string_view_literals::operator""sv;
  TRY(sys::send_message(socket_.get(), "\0AUTH EXTERNAL\r\nDATA\r\nBEGIN\r\n"sv, -1));
  for (;;) {
    const auto end = buffer_.find("\r\n");
    if (end == std::string::npos) {
      if (buffer_.size() > kMaxGreeting) return broken("an endless greeting");
      TRY(receive_some(deadline));
      continue;
    }
    const std::string line = buffer_.substr(0, end);
    buffer_.erase(0, end + 2);
    if (line.starts_with("OK")) return {};
    if (line != "DATA")
      return Error(ErrorKind::System, "the other side refuses this user: " + quote(line))
          .with_errno(EACCES);
  }
}

Result<> Connection::receive_some(const Deadline& deadline) {
  const bool readable =
      TRY(sys::wait_readable(socket_.get(), std::max(deadline.milliseconds_left(), 0)));
  if (!readable)
    return Error(ErrorKind::Timeout,
                 fmt::format("the other side does not answer within {} ms", deadline.total()));
  std::array<char, 8192> part{};
  const sys::Received received = TRY(sys::receive_message(socket_.get(), part.data(), part.size()));
  if (received.size == 0)
    return Error(ErrorKind::System, "the other side closed the connection").with_errno(EPIPE);
  buffer_.append(part.data(), received.size);
  return {};
}

Result<> Connection::fill(std::size_t size, const Deadline& deadline) {
  while (buffer_.size() < size) TRY(receive_some(deadline));
  return {};
}

Result<Message> Connection::receive(const Deadline& deadline) {
  TRY(fill(kFixedHeader, deadline));
  const std::size_t size = TRY(message_size(buffer_));
  TRY(fill(size, deadline));
  Message message = TRY(parse_message(std::string_view(buffer_).substr(0, size)));
  buffer_.erase(0, size);
  return message;
}

Result<std::string> Connection::call(const Call& call,
                                     const Deadline& deadline,
                                     std::string* error_name) {
  const uint32_t serial = ++serial_;
  TRY(sys::send_message(socket_.get(), marshal_call(call, serial), -1));
  for (;;) {
    Message message = TRY(receive(deadline));
    if (message.type == Message::Type::Signal) {
      signals_.push_back(std::move(message));
      continue;
    }
    if (message.reply_to != serial) continue;
    if (message.type == Message::Type::Return) return std::move(message.body);
    if (message.type != Message::Type::Error) continue;
    if (error_name != nullptr) *error_name = message.error_name;
    const std::string text(Reader(message.body).text());
    return Error(
        ErrorKind::System,
        fmt::format("{}: {}", message.error_name, text.empty() ? "no reason given" : text));
  }
}

Result<Message> Connection::wait_signal(const Deadline& deadline) {
  if (!signals_.empty()) {
    Message first = std::move(signals_.front());
    signals_.erase(signals_.begin());
    return first;
  }
  for (;;) {
    Message message = TRY(receive(deadline));
    if (message.type == Message::Type::Signal) return message;
  }
}

}  // namespace corten::cgroup::dbus
