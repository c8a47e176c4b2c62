// SPDX-License-Identifier: Apache-2.0
//
// Special registers (PTX chapter 10), shared by the decoder and the launch code.
#pragma once

namespace ptxemu {

enum SpecialReg {
  SR_TID = 0,
  SR_NTID = 3,
  SR_CTAID = 6,
  SR_NCTAID = 9,
  SR_CL_CTAID = 12,
  SR_CL_NCTAID = 15,
  SR_CLUSTERID = 18,
  SR_NCLUSTERID = 21,
  SR_CL_RANK = 24,
  SR_CL_NRANK,
  SR_EXPLICIT_CL,
  SR_LANEID,
  SR_WARPID,
  SR_NWARPID,
  SR_SMID,
  SR_NSMID,
  SR_LM_EQ,
  SR_LM_LT,
  SR_LM_LE,
  SR_LM_GT,
  SR_LM_GE,
  SR_WARPSZ,
  SR_DYNSMEM,
  SR_TOTALSMEM,
  SR_GRIDID,
  SR_ENVREG1,
  SR_ENVREG2
};

}  // namespace ptxemu
