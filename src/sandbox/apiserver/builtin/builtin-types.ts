/** All built-in shapes, parsed once. */
import { AUTHENTICATION_TYPES, AUTHORIZATION_TYPES, META_TYPES, RBAC_TYPES } from '../schema/access-types.ts';
import { BuiltinTypes } from '../schema/builtin-notation.ts';
import { CORE_TYPES } from '../schema/core-types.ts';
import { ADMISSION_TYPES, APIEXTENSIONS_TYPES, APIREGISTRATION_TYPES } from '../schema/extension-types.ts';
import {
  DISCOVERY_TYPES,
  EVENTS_TYPES,
  NETWORKING_TYPES,
  RESOURCE_TYPES,
  STORAGE_TYPES,
} from '../schema/network-types.ts';
import {
  APPS_TYPES,
  AUTOSCALING_TYPES,
  BATCH_TYPES,
  COORDINATION_TYPES,
  POLICY_TYPES,
  SCHEDULING_TYPES,
} from '../schema/workload-types.ts';

export const BUILTIN_TYPES = new BuiltinTypes([
  META_TYPES,
  CORE_TYPES,
  BATCH_TYPES,
  APPS_TYPES,
  AUTOSCALING_TYPES,
  COORDINATION_TYPES,
  POLICY_TYPES,
  SCHEDULING_TYPES,
  RBAC_TYPES,
  AUTHENTICATION_TYPES,
  AUTHORIZATION_TYPES,
  NETWORKING_TYPES,
  DISCOVERY_TYPES,
  STORAGE_TYPES,
  EVENTS_TYPES,
  RESOURCE_TYPES,
  ADMISSION_TYPES,
  APIEXTENSIONS_TYPES,
  APIREGISTRATION_TYPES,
]);
