#!/usr/bin/env python3
# Deliberate bugs, one at a time: every one must be caught by a test. See README.md here.
# SPDX-License-Identifier: Apache-2.0
"""usage: mutants.py check            every mutant still applies to the sources as they are
       mutants.py run SCRATCH [NAME..]  builds and tests each mutant in a copy under SCRATCH,
                                      prints the table of README.md; fails if one survives;
                                      $WORKERS at a time, 2 unless told; CXX=clang++ is quicker"""

import pathlib
import sys
import time

import mutant_runs
from mutant_runs import ROOT

LIBRARY = "core/ioasid/"

# name, file, what is there, what the mutant puts there
MUTANTS = [
    # The default allocator.
    ("exclusive max", "id_map.hpp", "if (found > max) return", "if (found >= max) return"),
    ("exclusive min", "id_map.hpp", "const Ioasid from = in_run ? run_end_ : range.min;",
     "const Ioasid from = in_run ? run_end_ : range.min + 1;"),
    ("invalid id handed out", "id_map.hpp", "std::min(range.max, invalid_ioasid - 1)",
     "std::min(range.max, invalid_ioasid)"),
    ("freed ids are not reused", "id_map.hpp", "  if (run_first_ <= id && id < run_end_)\n    add_gap(id);",
     "  if (run_first_ <= id && id < run_end_) {\n  }"),
    ("highest gap first", "id_map.hpp", "gaps_[at - 1] > id", "gaps_[at - 1] < id"),
    ("gap outside the range taken", "id_map.hpp", "if (gap >= min && gap != no_gap)", "if (gap != no_gap)"),
    ("gap forgotten when there are many", "id_map.cpp", "  run_end_ = id;\n", ""),
    ("gaps kept when the range moves", "id_map.hpp", "  if (!in_run) close_gaps();\n", ""),
    ("filled gap stays a gap", "id_map.hpp",
     "  if (id < run_end_ && id >= run_first_) remove_gap(id);\n", ""),
    ("full block not listed", "id_map.hpp", "    full_.set(key);\n", ""),
    ("block stays listed as full", "id_map.cpp", "  full_.clear(key);\n", ""),
    ("summary one level short", "full_blocks.cpp", "for (; level > 0; --level)", "for (; level > 1; --level)"),
    ("summary keeps upper levels", "full_blocks.cpp", "    if (!was_full) return;\n", "    return;\n"),
    ("last block unreachable", "full_blocks.cpp", "if (block >= blocks) return none;",
     "if (block >= blocks - 1) return none;"),
    ("summary forgets when it shrinks", "full_blocks.cpp", "add(words[at].key).bits = words[at].bits;", "add(words[at].key);"),
    ("summary is full of zeros", "full_blocks.cpp", "    if (word->bits == 0) ++zero_;\n", ""),
    ("words that come back are not counted", "full_blocks.cpp", "      --zero_;\n", "      static_cast<void>(0);\n"),
    ("crowded summary kept", "full_blocks.cpp", " || crowded()) rebuild();", ") rebuild();"),
    ("crowded summary mixed as it was", "full_blocks.cpp", "return false;\n  }\n  return true;\n}\n\nvoid FullBlocks::set",
     "return true;\n  }\n  return true;\n}\n\nvoid FullBlocks::set"),
    ("failure logs one line", "space.cpp", "  say(Message::err_range);\n", ""),
    # Lookup.
    ("set not checked", "block.hpp", "wanted != nullptr && wanted != set", "false"),
    ("null set matches nothing", "block.hpp", "wanted != nullptr && wanted != set", "wanted != set"),
    ("set checked before existence", "block.hpp", "  if (set == vacant) return {Error::enoent, nullptr};\n",
     "  if (set == vacant) return {wanted == nullptr ? Error::enoent : Error::eacces, nullptr};\n"),
    ("lookup in the default only", "space.hpp",
     "return active_.load(std::memory_order_acquire)->ids.find(set, id);",
     "return default_.ids.find(set, id);"),
    ("getter's no is ignored", "space.hpp", "found.data = nullptr;\n    return found;", "return found;\n    return found;"),
    ("getter called twice", "space.hpp", "    const ReadGuard guard;\n    Found found = find(set, id);\n",
     "    const ReadGuard guard;\n    Found found = find(set, id);\n    if (found) static_cast<void>(getter(found.data));\n"),
    ("getter called on failure", "space.hpp", "if (found && !std::forward", "if (!std::forward"),
    ("reader does not check the tag", "block.hpp",
     "if (first_tag_.load(std::memory_order_relaxed) == tag) [[likely]]", "if (tag == tag)"),
    ("publication is not counted", "block.hpp",
     "  first_tag_.store(first_tag_.load(std::memory_order_relaxed) + 1, std::memory_order_release);\n", ""),
    ("reader of a compact block does not check the tag", "block.cpp",
     "if (tag[i].load(std::memory_order_relaxed) != seen)", "if (false)"),
    ("publication in a compact block is not counted", "block.cpp",
     "((tag >> offset_bits) + 1) << offset_bits | offset", "(tag >> offset_bits) << offset_bits | offset"),
    ("key of a bucket not looked at again", "directory.hpp",
     "if (bucket->key.load(std::memory_order_relaxed) != key) return {};", ""),
    ("crowded table kept", "directory.cpp", " && !table.crowded()", ""),
    ("crowded table rebuilt as it was", "directory.cpp", "well_spread = table.steps <=", "well_spread = true || table.steps <="),
    ("key looked for where it was not put", "directory.cpp", "  replace_table(pool, table);\n}\n\n// False",
     "  table->salt = 0;\n  replace_table(pool, table);\n}\n\n// False"),
    ("crowded mixture kept", "directory.hpp", "bool crowded() const { return steps", "bool crowded() const { return salt == 0 && steps"),
    ("nodes freed under readers", "node_pool.cpp", "  retired_bytes_ += bytes + sizeof(Retired);\n",
     "  retired_.pop_back();\n  release(memory, bytes);\n  return;\n"),
    ("groups freed under readers", "space.cpp", "if (!retired_.empty() && detail::sections_passed())",
     "if (!retired_.empty())"),
    ("blocks never move", "id_map.cpp", "  if (pool_.sparse()) repack();\n", ""),
    ("a block that moves is not listed as full", "id_map.cpp", "      moved->list_full(block->listed_full());\n", ""),
    ("blocks that move are freed under readers", "id_map.cpp",
     "      Block::retire(pool_, block);\n", "      Block::release(pool_, block);\n"),
    ("cells of blocks that grew stay", "id_map.cpp",
     "  if (was_in_cell && pool_.sparse_for(directory_.size())) repack();\n", ""),
    ("full slabs are closed, others not", "node_pool.cpp", "slab.closed = free * 16u > slab.cells;",
     "slab.closed = free * 16u <= slab.cells;"),
    ("an empty map keeps nothing", "id_map.cpp", "if (size_ != 0 || bytes() <= remains_max) return;",
     "if (size_ != 0) return;"),
    ("an empty map keeps all", "id_map.cpp", "if (size_ != 0 || bytes() <= remains_max) return;",
     "return;"),
    ("small maps wait with what they retired", "node_pool.hpp", "retired_bytes_min = 1024", "retired_bytes_min = 4096"),
    ("who is in the way is asked each time", "node_pool.cpp", "    held_up_ = retired_bytes_;\n", ""),
    ("what stands by keeps its nodes", "space.cpp", "  default_.ids.keep_nothing();  // it stands by\n", ""),
    # Readers.
    ("finds are not made to fence", "readers.cpp", "bool sections_passed() {\n  process_barrier();\n",
     "bool sections_passed() {\n"),
    ("first guard makes nobody fence", "readers.cpp", "    detail::process_barrier();\n", ""),
    ("guards of before main forgotten", "readers.cpp",
     "return barrier_works() && guards.compare_exchange_strong(undecided, Guards::never);",
     "if (barrier_works()) guards = Guards::never;\n  return undecided != Guards::never;"),
    ("slots are not given back", "readers.cpp",
     "    static_cast<ReaderSlot*>(slot)->taken.store(false, std::memory_order_release);\n",
     "    static_cast<void>(slot);\n"),
    ("slot used after it was given back", "readers.cpp",
     "    this_reader = nullptr;\n    static_cast<ReaderSlot*>", "    static_cast<ReaderSlot*>"),
    ("layers look for guards that never were", "readers.hpp", "if (guards_used() && !must_not_wait())",
     "if (!must_not_wait())"),
    ("synchronize looks for guards that never were", "readers.cpp", "  if (detail::guards_used()) detail::wait_for_guards();",
     "  detail::wait_for_guards();"),
    ("finds do not fence where they must", "readers.hpp", "    else\n      full_fence();\n  }\n  ~ReadSection", "  }\n  ~ReadSection"),
    ("forbidden barrier passed over", "readers.cpp", "    std::abort();\n", "    full_fence();\n    return;\n"),
    # Data.
    ("set_data does nothing", "id_map.cpp",
     "  locate(id / 64)->slot(id % 64).data.store(data, std::memory_order_release);\n", ""),
    ("set_data does not wait", "space.cpp",
     "  const Error error = set_data_without_waiting(id, data);\n  if (error == Error::ok && detail::guards_used()) detail::wait_for_guards();\n",
     "  const Error error = set_data_without_waiting(id, data);\n"),
    ("free does not wait", "space.cpp",
     "    if (error == Error::ok) detail::let_readers_go();\n    return error;\n", "    return error;\n"),
    ("layers do not wait", "readers.hpp", "if (guards_used() && !must_not_wait())", "if (false)"),
    ("departure does not wait", "space.cpp",
     "  const Error error = unregister_without_waiting(ops, orphans);\n  if (error == Error::ok) detail::let_readers_go();\n",
     "  const Error error = unregister_without_waiting(ops, orphans);\n"),
    ("a helper waits for readers", "readers.hpp",
     "return me.guard_depth != 0 || me.callback_depth != 0;", "return me.guard_depth != 0;"),
    ("set_data works on unknown ids", "space.cpp", "return known ? Error::ok : Error::enoent;", "return Error::ok;"),
    # Custom allocators.
    ("range narrowed for the helper", "space.cpp", "group.ops.alloc->alloc(range, group.ops.pdata)",
     "group.ops.alloc->alloc({range.min, range.max - 1}, group.ops.pdata)"),
    ("helper gets the caller's data", "space.cpp", "const Ioasid id = ask(group, range);",
     "const Ioasid id = group.ops.alloc->alloc(range, data);"),
    ("backend free gets no pdata", "space.cpp", "  give_back(group, id);\n  return true;",
     "  group.ops.free->free(id, nullptr);\n  return true;"),
    ("backend not told of a free", "space.cpp", "  give_back(group, id);\n  return true;",
     "  return true;"),
    ("duplicate not given back", "space.cpp", "if (!(live && options_.keep_live_on_duplicate))", "if (false)"),
    ("keep_live_on_duplicate ignored", "space.cpp", "if (!(live && options_.keep_live_on_duplicate))", "if (true)"),
    ("result returned though tracking failed", "space.cpp",
     "return track(group, id, set, data) ? id : invalid_ioasid;",
     "track(group, id, set, data);\n  return id;"),
    ("duplicate moves to the next id", "space.cpp", "if (group.ids.insert(id, set, data)) return true;",
     "if (group.ids.insert(id, set, data) || group.ids.insert(id + 1, set, data)) return true;"),
    ("track_beside_live ignored", "space.cpp", "if (options_.track_beside_live &&", "if (false &&"),
    ("invalid id noted beside the last", "space.cpp", " && id + 1 != invalid_ioasid &&", " &&"),
    ("range always enforced", "space.cpp", "if (options_.enforce_range && ", "if ("),
    ("enforce_range excludes its bounds", "types.hpp", "return min <= id && id <= max;",
     "return min < id && id < max;"),
    ("free of unknown ids reaches the backend", "space.cpp", "  if (!group.ids.contains(id)) return false;\n", ""),
    ("helper that is missing accepted", "space.cpp",
     "  if (ops.alloc == nullptr || ops.free == nullptr) return Error::einval;\n", ""),
    # Registration.
    ("missing helper told inside a callback", "space.cpp",
     "  const Locked locked(*this, \"register_allocator\");\n"
     "  if (ops.alloc == nullptr || ops.free == nullptr) return Error::einval;\n",
     "  if (ops.alloc == nullptr || ops.free == nullptr) return Error::einval;\n"
     "  const Locked locked(*this, \"register_allocator\");\n"),
    ("missing EAGAIN", "space.cpp", "if (groups_.empty() && default_.ids.size() != 0)", "if (false)"),
    ("EAGAIN also behind others", "space.cpp", "if (groups_.empty() && default_.ids.size() != 0)",
     "if (active_.load()->ids.size() != 0)"),
    ("wrong precedence", "space.cpp",
     "  if (groups_.size() == 1) active_.store(groups_.front().get(), std::memory_order_release);",
     "  active_.store(groups_.back().get(), std::memory_order_release);"),
    ("last one takes over", "space.cpp",
     "    active_.store(groups_.front().get(), std::memory_order_release);\n    say(Message::info_changed);",
     "    active_.store(groups_.back().get(), std::memory_order_release);\n    say(Message::info_changed);"),
    ("sharing by one helper", "backend.hpp", "alloc == other.alloc && free == other.free", "alloc == other.alloc"),
    ("sharing by pdata too", "backend.hpp", "alloc == other.alloc && free == other.free",
     "alloc == other.alloc && free == other.free && pdata == other.pdata"),
    ("duplicate of the head accepted", "space.cpp", "if (corrected || groups_[index]->head == &ops)",
     "if (corrected)"),
    ("duplicate of a sharer accepted by corrected", "space.cpp",
     "if (corrected || groups_[index]->head == &ops)", "if (groups_[index]->head == &ops)"),
    ("duplicate of a sharer refused by linux_6_1", "space.cpp", "    if (corrected || groups_[index]->head == &ops) return",
     "    return"),
    ("head that left is forgotten", "space.cpp", "groups_[i]->head == &ops || groups_[i]->has(ops)",
     "groups_[i]->has(ops)"),
    ("pdata of the wrong sharer", "space.cpp", "group.use(group.sharers.front());", "group.use(group.sharers.back());"),
    ("stale head in corrected", "space.cpp",
     "if (group.head == &ops && options_.behaviour == Behaviour::corrected)", "if (false)"),
    ("no stale head in linux_6_1", "space.cpp",
     "if (group.head == &ops && options_.behaviour == Behaviour::corrected)", "if (group.head == &ops)"),
    ("orphans replace what was in the list", "space.cpp",
     "      orphans->insert(orphans->end(), ids.begin(), ids.end());\n", "      *orphans = ids;\n"),
    ("a departure leaves its group", "space.cpp",
     "  retired_.push_back(std::move(gone));  // registration made room\n  reclaim_groups();\n",
     "  retired_.push_back(std::move(gone));\n"),
    ("a departure leaves the groups of others", "space.cpp",
     "  reclaim_groups();\n  if (groups_.empty()) {\n    say(Message::warn_no_custom);",
     "  if (groups_.empty()) {\n    say(Message::warn_no_custom);"),
    ("phantom unregistration in corrected", "space.cpp",
     "if (known != no_group || options_.behaviour == Behaviour::corrected)", "if (known != no_group)"),
    ("who is registered is looked for by its helpers", "space.cpp",
     "if (known != no_group || options_.behaviour == Behaviour::corrected)",
     "if (options_.behaviour == Behaviour::corrected)"),
    ("ids lost while a sharer remains", "space.cpp", "if (group.sharers.size() == 1)",
     "if (group.sharers.size() <= 2)"),
    ("group stays after its last sharer", "space.cpp", "  drop_group(index);\n  return Error::ok;", "  return Error::ok;"),
    ("no fallback to the default", "space.cpp",
     "    active_.store(&default_, std::memory_order_release);\n", ""),
    ("orphans not warned about", "space.cpp", "    say(Message::warn_outstanding);\n", ""),
    ("switch announced when standby leaves", "space.cpp", "  } else if (was_active) {", "  } else {"),
    ("refusal of unregistration ignored", "space.cpp", "if (options_.refuse_unregister_with_live_ids)", "if (false)"),
    # The lock.
    ("lock left held", "locked.hpp", "      space_.lock_.unlock();\n", "      static_cast<void>(space_);\n"),
    ("lock left held after an exception", "locked.hpp", "      space_.lock_.unlock();\n",
     "      if (std::uncaught_exceptions() == 0) space_.lock_.unlock();\n"),
    ("nested call not noticed", "lock.cpp", "  if (holder == me.number) return false;\n",
     "  if (holder == me.number) return true;\n"),
    ("inside without the lock after waiting", "lock.cpp", "  while (take(me) != 0);\n", "  while (take(me) > me.number);\n"),
    ("nested call of a favourite not noticed", "lock.cpp", "    if (inside(me, this)) return false;\n", ""),
    ("favour granted to who is inside", "lock.cpp", "  last_ = me.number;\n  return true;",
     "  last_ = me.number;\n  if (run_ >= run_wanted_) favourite_.store(&me);\n  return true;"),
    ("favour where nobody can be made to fence", "lock.cpp",
     "if (run_ >= run_wanted_ && barrier_available.load(std::memory_order_relaxed))", "if (run_ >= run_wanted_)"),
    ("favourite not waited for", "lock.cpp",
     "  if (inside(favourite, this)) wait_for(me, favourite);\n", ""),
    ("threads that wait for one another not noticed", "lock.cpp", "if (!closes_circle()) return;", "if (!closes_circle() || true) return;"),
    ("only two threads wait for one another", "lock.cpp", "if (from == this || from->reached_)", "if (from == this)"),
    ("who waits for a favourite is not noticed", "lock.cpp", "waiting.emplace(me, *this, true);", "waiting.reset();"),
    ("a favourite that waits loses its favour", "lock.cpp", "    favourite_.store(&favourite, std::memory_order_relaxed);\n", ""),
    ("thread known late with an external lock", "space.cpp",
     "  reader();  // inside, what looks at readers must not fail for want of memory any more\n", ""),
    ("no lock in free", "space.cpp", "  const Locked locked(*this, \"free\");\n", ""),
    # Layers and backends.
    ("put of an unknown id is true", "references.cpp", "return free_locked(id, thrown) == Error::ok;",
     "return free_locked(id, thrown), true;"),
    ("get revives", "references.cpp", "    return Error::enoent;\n", "    ++further_[id];\n    return Error::ok;\n"),
    ("quota exceeded by one", "sets.cpp", "set->ids.size() >= set->quota", "set->ids.size() > set->quota"),
    ("capacity replaced under a set without quota", "sets.cpp", " || !sets_.empty()) return Error::ebusy;",
     ") return Error::ebusy;"),
    ("quota not returned", "sets.cpp", "  taken_ -= set.quota;\n", ""),
    ("pending id ends at once", "sets.cpp", "  if (--record->second.references != 0) return nullptr;\n", ""),
    ("second free is told again", "sets.cpp", "  if (record->second.pending) return nullptr;\n  record->second.pending = true;",
     "  record->second.pending = true;\n  if (record->second.references == 0) return nullptr;"),
    ("reference on a pending id", "set_ids.cpp",
     "  if (record != records_.end() && record->second.pending) return Error::ebusy;\n", ""),
    ("alias unique in the system", "set_ids.cpp", "if (set.by_spid.contains(spid)) return Error::einval;",
     "for (const auto& [n, s] : sets_)\n    if (s->by_spid.contains(spid)) return Error::einval;"),
    ("owner asked before pending", "set_ids.cpp",
     "  if (record != records_.end() && record->second.pending) return Error::ebusy;\n"
     "  if (const Error error = check(set, record); error != Error::ok) return error;\n  ++",
     "  if (const Error error = check(set, record); error != Error::ok) return error;\n"
     "  if (record->second.pending) return Error::ebusy;\n  ++"),
    ("groups that left keep their room", "space.cpp", "  Groups().swap(groups_);\n", ""),
    ("lost ids stay in their sets", "space.cpp",
     "    for (Layer* layer = layers_; layer != nullptr; layer = layer->next_) layer->ids_lost();\n", ""),
    ("a free past the layers is not told", "space.cpp", "    if (layer != by) layer->id_lost(id);\n",
     "    if (by != nullptr && layer != by) layer->id_lost(id);\n"),
    ("a layer's free is not told to the others", "space.cpp", "    if (layer != by) layer->id_lost(id);\n",
     "    if (by == nullptr) layer->id_lost(id);\n"),
    ("further references stay when the id goes", "references.hpp",
     "override { further_.erase(id); }", "override { static_cast<void>(id); }"),
    ("pending ids are told of once more", "sets.cpp", "  if (!record->second.pending) tell(", "  tell("),
    ("a backend that throws stops the rest", "sets.cpp", "      if (!first) first = thrown;\n",
     "      if (thrown) std::rethrow_exception(thrown);\n"),
    ("devices told first", "notifier.cpp", "link.priority < priority", "link.priority > priority"),
    ("layer where an id may have two owners", "layer.cpp", "if (space_.options_.track_beside_live)", "if (false)"),
    ("sets of all layers are found by each", "sets.cpp", "std::uintptr_t{this->number()} << 32 | set", "std::uintptr_t{set}"),
    ("chain without notifiers left", "set_ids.cpp", "    if (made) by_token_chains_.erase(chain);\n", ""),
    ("chains of processes stay when they are empty", "set_ids.cpp",
     "chain = chain->second.empty() ? by_token_chains_.erase(chain) : std::next(chain);", "++chain;"),
    ("max_pasids inclusive", "backends.cpp", "max_pasids - 1}", "max_pasids}"),
    ("max_pasids 0 wraps", "backends.cpp", "  if (max_pasids == 0) return invalid_ioasid;\n", ""),
    ("virtual command takes any range", "vcmd.cpp",
     "  if (range.min < accepted.min || range.max > accepted.max) return invalid_ioasid;\n", ""),
]


def apply(root, mutant):
    name, file, old, new = mutant
    path = root / LIBRARY / file
    text = path.read_text()
    if text.count(old) != 1:
        sys.exit(f"mutant '{name}': its text is in {LIBRARY}{file} {text.count(old)} times, not once")
    return path, text, text.replace(old, new)


def check():
    names = [mutant[0] for mutant in MUTANTS]
    if len(set(names)) != len(names):
        sys.exit("two mutants have the same name")
    for mutant in MUTANTS:
        _, before, after = apply(ROOT, mutant)
        if before == after:
            sys.exit(f"mutant '{mutant[0]}' changes nothing")
    print(f"{len(MUTANTS)} mutants apply")


def run(scratch, wanted):
    began = time.monotonic()
    mutants = [mutant for mutant in MUTANTS if not wanted or mutant[0] in wanted]
    missed = 0
    print("| mutant | in | caught by |\n|---|---|---|")
    for mutant, by in mutant_runs.run_all(scratch, mutants, apply):
        missed += by is None or by.startswith("NOT BUILT")
        print(f"| {mutant[0]} | `{mutant[1]}` | {by or 'SURVIVED'} |", flush=True)
    print(f"\n{len(mutants) - missed} of {len(mutants)} caught, in {(time.monotonic() - began) / 60:.0f} minutes")
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    if sys.argv[1:] == ["check"]:
        check()
    elif len(sys.argv) >= 3 and sys.argv[1] == "run":
        run(pathlib.Path(sys.argv[2]), set(sys.argv[3:]))
    else:
        sys.exit(__doc__)
