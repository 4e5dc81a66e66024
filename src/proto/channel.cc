#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <string>
#include <type_traits>

#include <corten/proto/channel.h>
#include <corten/sys/socket.h>

namespace corten::proto {

namespace {

struct Header {
  uint32_t tag;
};

// A packet is the tag followed by the struct's bytes; an empty struct has none.
template <typename T>
constexpr std::size_t body_size() {
  static_assert(std::is_trivially_copyable_v<T>);
  return std::is_empty_v<T> ? 0 : sizeof(T);
}

constexpr std::size_t kMaxPacket = sizeof(Header) + sizeof(Failure);

constexpr std::array<const char*, std::variant_size_v<Message> + 1> kNames = {"Proceed",
                                                                              "MapIdsRequest",
                                                                              "TimeOffsetsRequest",
                                                                              "InitSpawned",
                                                                              "MountFdRequest",
                                                                              "MountFd",
                                                                              "HooksRequest",
                                                                              "SeccompListener",
                                                                              "TerminalMaster",
                                                                              "Ready",
                                                                              "Start",
                                                                              "Failure",
                                                                              "CgroupsRequest"};

const char* name_of_tag(uint32_t tag) {
  return tag >= 1 && tag <= kNames.size() ? kNames[tag - 1] : "unknown message";
}

// Decodes when tag and size are those of T.
template <typename T>
bool decode_as(uint32_t tag, const char* body, std::size_t size, Message& out) {
  if (tag != T::kTag || size != body_size<T>()) return false;
  T message{};
  if constexpr (body_size<T>() != 0) std::memcpy(&message, body, size);
  out = message;
  return true;
}

template <typename... T>
bool decode(std::variant<T...>*, uint32_t tag, const char* body, std::size_t size, Message& out) {
  return (decode_as<T>(tag, body, size, out) || ...);
}

void copy_cut(std::string_view from, char* to, std::size_t capacity) {
  const std::size_t length = std::min(from.size(), capacity - 1);
  std::memcpy(to, from.data(), length);
  to[length] = '\0';
}

[[gnu::cold]] Error to_error(const char* body) {
  Failure failure;
  std::memcpy(&failure, body, sizeof failure);
  // The sender may be a process inside the container: nothing about its bytes is believed.
  failure.pointer[sizeof failure.pointer - 1] = '\0';
  failure.text[sizeof failure.text - 1] = '\0';
  const bool known = failure.kind >= 0 && failure.kind <= static_cast<int32_t>(ErrorKind::Internal);
  const auto kind = known ? static_cast<ErrorKind>(failure.kind) : ErrorKind::Internal;
  return Error(kind, failure.text).with_errno(failure.errno_value).with_pointer(failure.pointer);
}

}  // namespace

Result<std::pair<Channel, Channel>> Channel::make_pair() {
  auto ends = TRY(sys::socketpair(SOCK_SEQPACKET));
  return std::pair<Channel, Channel>(Channel(std::move(ends.first)),
                                     Channel(std::move(ends.second)));
}

template <typename T>
Result<> Channel::send_struct(const T& body, int fd) const {
  std::array<char, sizeof(Header) + sizeof(T)> packet{};
  const Header header{T::kTag};
  std::memcpy(packet.data(), &header, sizeof header);
  if constexpr (body_size<T>() != 0) std::memcpy(packet.data() + sizeof header, &body, sizeof body);
  return sys::send_message(socket_.get(), {packet.data(), sizeof header + body_size<T>()}, fd);
}

Result<> Channel::send(const Message& message, int fd) const {
  return std::visit([&](const auto& body) { return send_struct(body, fd); }, message);
}

void Channel::send_failure(const Error& error) const {
  Failure failure{};
  failure.kind = static_cast<int32_t>(error.kind());
  failure.errno_value = error.errno_value();
  copy_cut(error.pointer(), failure.pointer, sizeof failure.pointer);
  copy_cut(error.message(), failure.text, sizeof failure.text);
  (void)send_struct(failure, -1);  // the peer sees end of file when this fails
}

Result<std::optional<Envelope>> Channel::receive() const {
  // Not on the stack: room for the longest packet there would be pages that every process touches,
  // and nearly every packet has a few bytes. One thread, and nothing is kept between two calls.
  static std::array<char, kMaxPacket> packet;
  sys::Received received = TRY(sys::receive_message(socket_.get(), packet.data(), packet.size()));
  if (received.size == 0) return std::optional<Envelope>();
  Header header{};
  if (received.size < sizeof header)
    return Error(ErrorKind::Protocol, "a packet without a tag arrived");
  std::memcpy(&header, packet.data(), sizeof header);
  const char* const body = packet.data() + sizeof header;
  const std::size_t size = received.size - sizeof header;
  if (header.tag == Failure::kTag && size == sizeof(Failure)) return to_error(body);
  Envelope envelope{Proceed{}, std::move(received.fd)};
  Message* const none = nullptr;
  if (!decode(none, header.tag, body, size, envelope.message)) {
    return Error(ErrorKind::Protocol,
                 "a packet with tag " + std::to_string(header.tag) + " and " +
                     std::to_string(received.size) + " bytes arrived");
  }
  return std::optional<Envelope>(std::move(envelope));
}

Error Channel::closed_error(uint32_t wanted) {
  return Error(ErrorKind::Protocol,
               std::string("the other side ended before it sent ") + name_of_tag(wanted));
}

Error Channel::unexpected_error(uint32_t wanted, const Message& got) {
  return Error(ErrorKind::Protocol,
               std::string("expected ") + name_of_tag(wanted) + ", got " + message_name(got));
}

const char* message_name(const Message& message) {
  return std::visit(
      [](const auto& body) { return name_of_tag(std::remove_cvref_t<decltype(body)>::kTag); },
      message);
}

}  // namespace corten::proto
