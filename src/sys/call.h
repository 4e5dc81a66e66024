// What every wrapper shares: EINTR is retried, a failure becomes an Error with the call's text.
#pragma once

#include <fcntl.h>

#include <cerrno>

#include <fmt/format.h>

#include <corten/base/result.h>
#include <corten/base/strings.h>

namespace corten::sys {

template <typename F>
auto retry_eintr(F&& call) {
  for (;;) {
    const auto result = call();
    if (result != -1 || errno != EINTR) return result;
  }
}

// "AT_FDCWD" or the number: for error texts.
inline std::string name_of_dir(int dir_fd) {
  return dir_fd == AT_FDCWD ? "AT_FDCWD" : std::to_string(dir_fd);
}

// Takes errno as it is now. The arguments are formatted on this path only.
template <typename... Args>
[[gnu::cold, gnu::noinline]] Error failed(fmt::format_string<Args...> format, Args&&... args) {
  const int saved = errno;
  return Error::from_errno(saved, fmt::format(format, std::forward<Args>(args)...));
}

// For calls whose only result is success.
template <typename... Args>
Result<> check(long result, fmt::format_string<Args...> format, Args&&... args) {
  if (result == -1) [[unlikely]]
    return failed(format, std::forward<Args>(args)...);
  return {};
}

}  // namespace corten::sys
