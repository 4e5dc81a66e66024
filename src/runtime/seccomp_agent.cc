#include "seccomp_agent.h"

#include <sys/socket.h>

#include <corten/base/json_text.h>
#include <corten/base/strings.h>
#include <corten/spec/parse.h>
#include <corten/sys/file.h>
#include <corten/sys/socket.h>

namespace corten::runtime {

namespace {

std::string process_state(const SeccompAgent& agent, const spec::State& state, pid_t pid) {
  JsonWriter json;
  json.begin_object();
  json.field("ociVersion", spec::kOciVersionMax);
  json.key("fds").begin_array().value("seccompFd").end_array();
  json.field("pid", pid);
  if (!agent.metadata.empty()) json.field("metadata", agent.metadata);
  json.key("state").raw(spec::to_json(state, spec::Extras::No, spec::Layout::Compact));
  json.end_object();
  return json.take();
}

// The descriptor travels with the first bytes; a document larger than the socket buffer follows in
// pieces.
Result<> deliver(const SeccompAgent& agent, const std::string& document, int listener_fd) {
  constexpr std::size_t kFirst = 4096;
  const sys::UniqueFd socket = TRY(sys::unix_connect_path(agent.listener_path, SOCK_STREAM));
  TRY(sys::send_message(socket.get(), std::string_view(document).substr(0, kFirst), listener_fd));
  if (document.size() <= kFirst) return {};
  return sys::write_all(socket.get(), std::string_view(document).substr(kFirst));
}

}  // namespace

Result<> send_seccomp_listener(const SeccompAgent& agent,
                               const spec::State& state,
                               pid_t pid,
                               int listener_fd) {
  return deliver(agent, process_state(agent, state, pid), listener_fd).context([&] {
    return "/linux/seccomp/listenerPath: sending the listener to " + quote(agent.listener_path);
  });
}

}  // namespace corten::runtime
