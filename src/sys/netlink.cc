#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "call.h"
#include <corten/sys/netlink.h>

namespace corten::sys {

namespace {

void pad(std::string& data) { data.resize(NLMSG_ALIGN(data.size())); }

// The attributes in `data`, until `found` returns true.
template <typename F>
void each_attribute(std::string_view data, F&& found) {
  while (data.size() >= sizeof(nlattr)) {
    nlattr header{};
    std::memcpy(&header, data.data(), sizeof header);
    if (header.nla_len < sizeof header || header.nla_len > data.size()) return;
    const uint16_t type = header.nla_type & NLA_TYPE_MASK;
    if (found(type, data.substr(sizeof header, header.nla_len - sizeof header))) return;
    data.remove_prefix(std::min<std::size_t>(NLA_ALIGN(header.nla_len), data.size()));
  }
}

// netlink(7): an nlmsgerr, the request's header alone (NETLINK_CAP_ACK), then attributes.
std::string explanation(std::string_view payload) {
  std::string text;
  if (payload.size() < sizeof(nlmsgerr)) return text;
  each_attribute(payload.substr(sizeof(nlmsgerr)), [&](uint16_t type, std::string_view value) {
    if (type != NLMSGERR_ATTR_MSG) return false;
    text = value.substr(0, value.find('\0'));
    return true;
  });
  return text;
}

// 0 is an acknowledgement.
Result<> outcome(std::string_view payload, std::string_view what) {
  int code = 0;
  if (payload.size() >= sizeof code) std::memcpy(&code, payload.data(), sizeof code);
  if (code == 0) return {};
  const std::string reason = explanation(payload);
  return Error::from_errno(
      -code, reason.empty() ? std::string(what) : fmt::format("{}: {}", what, reason));
}

}  // namespace

NetlinkMessage::NetlinkMessage(uint16_t type, uint16_t flags, const void* fixed, std::size_t size) {
  nlmsghdr header{};
  header.nlmsg_type = type;
  header.nlmsg_flags = static_cast<uint16_t>(flags | NLM_F_REQUEST);
  data_.assign(reinterpret_cast<const char*>(&header), sizeof header);
  data_.append(static_cast<const char*>(fixed), size);
  pad(data_);
}

NetlinkMessage& NetlinkMessage::bytes(uint16_t attribute, std::string_view value) {
  nlattr header{};
  header.nla_type = attribute;
  header.nla_len = static_cast<uint16_t>(sizeof header + value.size());
  data_.append(reinterpret_cast<const char*>(&header), sizeof header);
  data_.append(value);
  pad(data_);
  return *this;
}

NetlinkMessage& NetlinkMessage::number(uint16_t attribute, uint32_t value) {
  return bytes(attribute, {reinterpret_cast<const char*>(&value), sizeof value});
}

NetlinkMessage& NetlinkMessage::text(uint16_t attribute, const std::string& value) {
  return bytes(attribute, {value.c_str(), value.size() + 1});
}

std::string NetlinkMessage::take(uint32_t sequence) && {
  nlmsghdr header{};
  std::memcpy(&header, data_.data(), sizeof header);
  header.nlmsg_len = static_cast<uint32_t>(data_.size());
  header.nlmsg_seq = sequence;
  // Without one of these flags the kernel would answer an error only.
  if ((header.nlmsg_flags & NLM_F_DUMP) != NLM_F_DUMP) header.nlmsg_flags |= NLM_F_ACK;
  std::memcpy(data_.data(), &header, sizeof header);
  return std::move(data_);
}

std::optional<std::string_view> NetlinkAnswer::attribute(std::size_t fixed_size,
                                                         uint16_t wanted) const {
  std::optional<std::string_view> result;
  const std::size_t start = NLMSG_ALIGN(fixed_size);
  if (payload.size() < start) return result;
  each_attribute(std::string_view(payload).substr(start),
                 [&](uint16_t found, std::string_view value) {
                   if (found != wanted) return false;
                   result = value;
                   return true;
                 });
  return result;
}

Result<NetlinkSocket> NetlinkSocket::open() {
  UniqueFd fd(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
  if (!fd.valid()) return failed("socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE)");
  const int yes = 1;
  // Both only make answers better; kernels before 4.12 and 4.20 do not know them.
  for (const int option : {NETLINK_EXT_ACK, NETLINK_CAP_ACK, NETLINK_GET_STRICT_CHK})
    (void)::setsockopt(fd.get(), SOL_NETLINK, option, &yes, sizeof yes);
  return NetlinkSocket(std::move(fd));
}

Result<> NetlinkSocket::change(NetlinkMessage message, std::string_view what) {
  bool interrupted = false;
  TRY(exchange(std::move(message), what, interrupted));
  return {};
}

Result<std::vector<NetlinkAnswer>> NetlinkSocket::query(const NetlinkMessage& message,
                                                        std::string_view what) {
  constexpr int kAttempts = 16;
  for (int attempt = 1;; ++attempt) {
    bool interrupted = false;
    std::vector<NetlinkAnswer> answers = TRY(exchange(message, what, interrupted));
    if (!interrupted || attempt == kAttempts) return answers;
  }
}

Result<std::vector<NetlinkAnswer>> NetlinkSocket::exchange(NetlinkMessage message,
                                                           std::string_view what,
                                                           bool& interrupted) {
  const uint32_t sequence = ++sequence_;
  const std::string request = std::move(message).take(sequence);
  sockaddr_nl kernel{};
  kernel.nl_family = AF_NETLINK;
  if (retry_eintr([&] {
        return ::sendto(fd_.get(),
                        request.data(),
                        request.size(),
                        0,
                        reinterpret_cast<const sockaddr*>(&kernel),
                        sizeof kernel);
      }) < 0)
    return failed("sending {}", what);

  std::vector<NetlinkAnswer> answers;
  std::string buffer(std::size_t{1} << 16, '\0');
  for (;;) {
    const ssize_t size =
        retry_eintr([&] { return ::recv(fd_.get(), buffer.data(), buffer.size(), MSG_TRUNC); });
    if (size < 0) return failed("receiving the answer to {}", what);
    if (static_cast<std::size_t>(size) > buffer.size())
      return Error::from_errno(EMSGSIZE, fmt::format("the answer to {}", what));
    std::string_view rest(buffer.data(), static_cast<std::size_t>(size));
    while (rest.size() >= sizeof(nlmsghdr)) {
      nlmsghdr header{};
      std::memcpy(&header, rest.data(), sizeof header);
      if (header.nlmsg_len < sizeof header || header.nlmsg_len > rest.size())
        return Error::from_errno(EBADMSG, fmt::format("the answer to {}", what));
      const std::string_view payload = rest.substr(sizeof header, header.nlmsg_len - sizeof header);
      rest.remove_prefix(std::min<std::size_t>(NLMSG_ALIGN(header.nlmsg_len), rest.size()));
      if (header.nlmsg_seq != sequence) continue;
      if ((header.nlmsg_flags & NLM_F_DUMP_INTR) != 0) interrupted = true;
      if (header.nlmsg_type == NLMSG_ERROR || header.nlmsg_type == NLMSG_DONE) {
        TRY(outcome(payload, what));
        return answers;
      }
      answers.push_back({header.nlmsg_type, std::string(payload)});
    }
  }
}

}  // namespace corten::sys
