// Errors as values. Every fallible function in corten returns Result<T>; nothing throws across a
// function boundary, because an exception in a forked child could unwind into frames that belong to
// the parent, and because errno is lost by the first cleanup.
#pragma once

#include <cassert>
#include <concepts>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>

namespace corten {

// For code (exit status, tests); the text is for people and nobody matches on it.
enum class ErrorKind {
  System,           // a system call failed; errno_value() says how
  InvalidSpec,      // config.json, process.json or resources JSON breaks the runtime-spec
  InvalidArgument,  // the command line or an API argument is wrong
  NotFound,         // no such container
  Exists,           // the container id is taken
  WrongState,       // the operation is not allowed in the container's present state
  Unsupported,      // valid, but this host or build cannot do it
  Hook,             // a hook failed
  Timeout,          // a deadline passed
  Protocol,         // the other side of a channel broke the protocol
  Internal,         // corten's own fault
};

// What went wrong, in lower case without a full stop: "mounting '/proc': fsmount(7, 0x1, 0xe):
// Operation not permitted". One pointer, so that a Result costs the path without failures next to
// nothing; everything about it is out of line and marked cold, which moves the blocks that make
// errors away from the code that runs. A moved-from Error may only be assigned to or destroyed.
class [[nodiscard]] Error {
 public:
  [[gnu::cold]] Error(ErrorKind kind, std::string message);
  [[gnu::cold]] Error(const Error& other);
  [[gnu::cold]] Error& operator=(const Error& other);
  Error(Error&&) noexcept = default;
  Error& operator=(Error&&) noexcept = default;
  ~Error() = default;

  // A failed system call: `call` names it with its arguments, errno's text is appended.
  [[gnu::cold]] static Error from_errno(int errno_value, std::string_view call);

  // A violation of the runtime-spec at `pointer` (RFC 6901), for example "/mounts/3/type".
  [[gnu::cold]] static Error spec(std::string pointer, std::string_view message);

  ErrorKind kind() const;
  const std::string& message() const;
  // 0 when no system call was involved.
  int errno_value() const;
  // Empty unless the error is about a place in a JSON document.
  const std::string& pointer() const;

  [[gnu::cold]] Error&& with_kind(ErrorKind kind) &&;
  [[gnu::cold]] Error&& with_errno(int value) &&;
  [[gnu::cold]] Error&& with_pointer(std::string pointer) &&;
  // Puts one frame in front: "<frame>: <message>".
  [[gnu::cold]] Error with_context(std::string_view frame) &&;

 private:
  template <typename T>
  friend class Result;

  struct Details;
  struct Free {
    [[gnu::cold]] void operator()(Details* details) const;
  };

  Error() = default;  // no error: what Result<> holds after a success

  std::unique_ptr<Details, Free> details_;
};

template <typename T = void>
class Result;

namespace detail {
template <typename T>
struct IsResult : std::false_type {};
template <typename T>
struct IsResult<Result<T>> : std::true_type {};
}  // namespace detail

// A value or an Error; the names follow std::expected.
template <typename T>
class [[nodiscard]] Result {
 public:
  using value_type = T;

  template <typename U = T>
  requires(std::constructible_from<T, U&&> && !std::same_as<std::remove_cvref_t<U>, Error> &&
           !detail::IsResult<std::remove_cvref_t<U>>::value)
      Result(U&& value)  // NOLINT(google-explicit-constructor): `return value;` is the point
      : state_(std::in_place_index<0>, std::forward<U>(value)) {}
  Result(Error error)  // NOLINT(google-explicit-constructor)
      : state_(std::in_place_index<1>, std::move(error)) {}

  bool has_value() const { return state_.index() == 0; }
  explicit operator bool() const { return has_value(); }

  T& value() & { return *std::get_if<0>(&state_); }
  const T& value() const& { return *std::get_if<0>(&state_); }
  T&& value() && { return std::move(*std::get_if<0>(&state_)); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

  Error& error() & { return *std::get_if<1>(&state_); }
  const Error& error() const& { return *std::get_if<1>(&state_); }
  Error&& error() && { return std::move(*std::get_if<1>(&state_)); }

  template <typename U>
  T value_or(U&& fallback) && {
    return has_value() ? std::move(*this).value() : static_cast<T>(std::forward<U>(fallback));
  }

  // Adds one frame to the error; `frame` returns text and runs on failure only.
  template <std::invocable F>
  Result context(F&& frame) && {
    if (has_value()) [[likely]]
      return std::move(*this);
    return std::move(*this).error().with_context(std::invoke(std::forward<F>(frame)));
  }
  Result context(const char* frame) && {
    if (has_value()) [[likely]]
      return std::move(*this);
    return std::move(*this).error().with_context(frame);
  }

 private:
  std::variant<T, Error> state_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  using value_type = void;

  Result() = default;
  Result(Error error) : error_(std::move(error)) {}  // NOLINT(google-explicit-constructor)

  bool has_value() const { return error_.details_ == nullptr; }
  explicit operator bool() const { return has_value(); }
  void value() const {}

  Error& error() & { return error_; }
  const Error& error() const& { return error_; }
  Error&& error() && { return std::move(error_); }

  template <std::invocable F>
  Result context(F&& frame) && {
    if (has_value()) [[likely]]
      return {};
    return std::move(error_).with_context(std::invoke(std::forward<F>(frame)));
  }
  Result context(const char* frame) && {
    if (has_value()) [[likely]]
      return {};
    return std::move(error_).with_context(frame);
  }

 private:
  Error error_;
};

namespace detail {
template <typename T>
T take(Result<T>& result) {
  if constexpr (!std::is_void_v<T>) return std::move(result).value();
}
}  // namespace detail

}  // namespace corten

// Unwraps a Result or returns its error from the enclosing function. One TRY a statement, as the
// whole initialiser. The only macro in corten.
#define TRY(expression)                      \
  __extension__({                            \
    auto try_result_ = (expression);         \
    if (!try_result_) [[unlikely]]           \
      return std::move(try_result_).error(); \
    ::corten::detail::take(try_result_);     \
  })
