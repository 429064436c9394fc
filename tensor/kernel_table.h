// A device's kernels as a table over a list of calls: one virtual function for each, and nothing written by hand for
// what is the same with all of them.
#pragma once

namespace temper {

class Kernels;

template <typename... Calls>
struct CallList {};

/// A list written behind `void`, which macros can: each of its names comes with a comma before it.
template <typename... Calls>
struct CallList<void, Calls...> {
  using Rest = CallList<Calls...>;
};

/// A call that can be made by others, which a device without a kernel of its own runs.
template <typename Call>
concept MadeOfParts = requires(const Call& call, Kernels& kernels) {
  call.run_parts(kernels);
};

/// run(const Call&) for each call of the list.
template <typename List>
class KernelTable;

template <>
class KernelTable<CallList<>> {
 public:
  KernelTable() = default;
  KernelTable(const KernelTable&) = delete;
  KernelTable& operator=(const KernelTable&) = delete;
  virtual ~KernelTable() = default;

  void run() = delete;  // the overloads begin here

  /// Where a kernel that is made of others finds them: at itself, unless something is wrapped around it that wants to
  /// see them too.
  void take_parts_from(Kernels& wrapper) { whole_ = &wrapper; }

 protected:
  [[nodiscard]] Kernels& whole() { return *whole_; }

 private:
  Kernels* whole_ = nullptr;
};

template <typename Call, typename... Rest>
class KernelTable<CallList<Call, Rest...>> : public KernelTable<CallList<Rest...>> {
 public:
  using KernelTable<CallList<Rest...>>::run;
  virtual void run(const Call& call) = 0;
};

/// `Base` with each call of the list handed to Derived::take(call): for what does the same with all calls.
template <typename Derived, typename Base, typename List>
class UniformKernels;

template <typename Derived, typename Base>
class UniformKernels<Derived, Base, CallList<>> : public Base {};

template <typename Derived, typename Base, typename Call, typename... Rest>
class UniformKernels<Derived, Base, CallList<Call, Rest...>> : public UniformKernels<Derived, Base, CallList<Rest...>> {
 public:
  using UniformKernels<Derived, Base, CallList<Rest...>>::run;
  void run(const Call& call) override { static_cast<Derived&>(*this).take(call); }
};

}  // namespace temper
