// Runs a callable when the scope ends, unless it was dismissed: the undo half of an operation.
#pragma once

#include <utility>

namespace corten {

template <typename F>
class [[nodiscard]] Defer {
 public:
  explicit Defer(F action) : action_(std::move(action)) {}
  ~Defer() {
    if (armed_) action_();
  }
  Defer(const Defer&) = delete;
  Defer& operator=(const Defer&) = delete;
  Defer(Defer&&) = delete;
  Defer& operator=(Defer&&) = delete;

  // The action will not run.
  void dismiss() { armed_ = false; }

 private:
  F action_;
  bool armed_ = true;
};

}  // namespace corten
