// Ids and references.
// SPDX-License-Identifier: Apache-2.0
#include "models/host/iommufd_objects.hpp"

#include <utility>

namespace viosim::iommufd {

ObjectId Objects::add(Object::Body body, std::vector<ObjectId> holds) {
  for (const ObjectId held : holds) use(held);
  const ObjectId id(++last_);
  objects_.emplace(id, std::make_unique<Object>(std::move(body), std::move(holds)));
  return id;
}

Hwpt* Objects::hwpt(ObjectId id) {
  if (HwptPaging* const paging = find<HwptPaging>(id)) return paging;
  return find<HwptNested>(id);
}

void Objects::unuse(ObjectId id) {
  std::uint32_t& users = objects_.at(id)->users;
  ensure(users > 0, "an iommufd object is used less than not at all");
  --users;
}

std::unique_ptr<Object> Objects::remove(ObjectId id) {
  ensure(users(id) == 0, "an iommufd object is removed while it is in use");
  std::unique_ptr<Object> object = std::move(objects_.at(id));
  objects_.erase(id);
  for (const ObjectId held : object->holds) unuse(held);
  return object;
}

std::vector<ObjectId> Objects::unused() const {
  std::vector<ObjectId> ids;
  for (const auto& [id, object] : objects_)
    if (object->users == 0) ids.push_back(id);
  return ids;
}

}  // namespace viosim::iommufd
