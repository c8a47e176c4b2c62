# SPDX-License-Identifier: Apache-2.0
"""Why a target is missed, by the title of the workload: printed if it is."""

REMARKS = {}
